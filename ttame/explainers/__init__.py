"""One file per method or family, one registry, one interface."""
