"""Datalists, image sources, the embedded shapes data, transforms."""
