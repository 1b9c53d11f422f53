"""Every method on many architectures: what works, what is refused, and whether maps point where they should."""
