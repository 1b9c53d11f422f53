"""Seeds that belong to an image, so that no number depends on the order or the batch in which images come."""

from __future__ import annotations

import hashlib


def image_seed(seed: int, name: str) -> int:
    """A 64-bit seed from the experiment's seed and the image's name."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "little")
