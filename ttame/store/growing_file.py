"""A safetensors file that is written rows by rows, for tensors that no memory has to hold.

`safetensors` writes a file from whole tensors alone. The bytes are the ones that it would write: the length of a header
in JSON, the header, and the tensors by kind and name
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

ALIGNMENT = 8
"""Bytes; the header is filled up with spaces."""
LENGTH = 8
"""Bytes of the number that says how long the header is."""
KINDS = {torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.float16: "F16"}
"""In the order in which a file has them."""


def write_rows(path: Path, rows: int, pieces: Iterable[Mapping[str, Tensor]], metadata: Mapping[str, str]) -> None:
    """Write the pieces, joined along the first axis, as `safetensors.torch.save_file` would write the whole.

    Args:
        path: of the file, which is written over.
        rows: of all pieces together.
        pieces: each a (b, ...) tensor on the CPU for every name, at least one of them.
        metadata: of the header.

    Raises:
        ValueError: when the pieces do not have so many rows, or rows of other sizes than the first.
    """
    written = 0
    places: dict[str, tuple[int, int]] = {}
    with path.open("wb") as file:
        for piece in pieces:
            if not places:
                header, places = _header(rows, piece, metadata)
                file.write(header)
            count = len(next(iter(piece.values())))
            for name, (start, size) in places.items():
                bytes_of = piece[name].contiguous().view(torch.uint8).numpy().data
                if bytes_of.nbytes != count * size:
                    raise ValueError(f"{name}: {tuple(piece[name].shape)} does not continue the rows before it")
                file.seek(start + written * size)
                file.write(bytes_of)
            written += count
    if written != rows:
        raise ValueError(f"{written} rows for a file of {rows}")


def _header(
    rows: int, piece: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """The header, and for every tensor where it begins in the file and the bytes of a row."""
    described: dict[str, object] = {"__metadata__": dict(metadata)}
    places, end = {}, 0
    order = list(KINDS)
    for name, tensor in sorted(piece.items(), key=lambda item: (order.index(item[1].dtype), item[0])):
        size = math.prod(tensor.shape[1:]) * tensor.element_size()
        begin, end = end, end + rows * size
        shape = [rows, *tensor.shape[1:]]
        described[name] = {"dtype": KINDS[tensor.dtype], "shape": shape, "data_offsets": [begin, end]}
        places[name] = (begin, size)
    text = json.dumps(described, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    length = len(text).to_bytes(LENGTH, "little")
    return length + text, {name: (LENGTH + len(text) + begin, size) for name, (begin, size) in places.items()}
