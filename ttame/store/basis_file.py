"""The file of what a measure has computed once of a classifier: its basis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ttame.errors import TTameError
from ttame.store.artifacts import atomic_path, reading
from ttame.store.undefined import refuse_undefined

_METADATA = "ttame"
_WEIGHTS = "weights/"


@dataclass(frozen=True)
class Basis:
    """What a measure compares every method with on one classifier.

    Attributes:
        units: names of what is judged: U images, or U grids.
        input_size: (H, W) of the classifier.
        tensors: what the measure needs to know of the units, each (U, ...).
        weights: of a network that the measure has trained; empty where it needs none.
        note: what the tables should say beside the measure; empty for nothing.
        origin: what it was made of; None where nothing is known.
    """

    units: Sequence[str]
    input_size: tuple[int, int]
    tensors: Mapping[str, Tensor]
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    note: str = ""
    origin: Mapping[str, str] | None = None

    def spread(self, at_most: int) -> Basis:
        """At most so many of the units, spread evenly."""
        count = min(at_most, len(self.units))
        places = [number * len(self.units) // count for number in range(count)]
        tensors = {name: tensor[places] for name, tensor in self.tensors.items()}
        return replace(self, units=[self.units[place] for place in places], tensors=tensors)


def write_basis(path: Path, basis: Basis) -> None:
    """Write a basis atomically."""
    # One metadata key alone: safetensors writes several in an order that changes from run to run.
    facts = {
        "units": list(basis.units),
        "input_size": list(basis.input_size),
        "note": basis.note,
        "origin": dict(basis.origin or {}),
    }
    tensors = dict(basis.tensors) | {f"{_WEIGHTS}{name}": tensor for name, tensor in basis.weights.items()}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_METADATA: json.dumps(facts)})


def read_note(path: Path) -> str:
    """What the tables should say beside a measure, of a basis that `read_basis` reads, without reading its tensors."""
    with reading(path), safe_open(path, framework="pt") as file:
        return str(json.loads((file.metadata() or {})[_METADATA])["note"])


def read_basis(path: Path, again: str) -> Basis:
    """Read a basis.

    Args:
        path: of the file.
        again: the command that makes it, without `python -m`.

    Raises:
        TTameError: when it is missing or is no basis.
        NotDefined: when it says why the measure says nothing of this classifier.
    """
    refuse_undefined(path)
    try:
        with reading(path), safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[_METADATA])
            found: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        tensors = {name: tensor for name, tensor in found.items() if not name.startswith(_WEIGHTS)}
        weights = {name.removeprefix(_WEIGHTS): found[name] for name in found.keys() - tensors.keys()}
        rows, columns = facts["input_size"]
        return Basis(facts["units"], (rows, columns), tensors, weights, str(facts["note"]), facts["origin"])
    except FileNotFoundError:
        raise TTameError(f"{path}: no such file; run `python -m {again}` first") from None
    except (OSError, SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise TTameError(f"{path}: not the basis of a measure ({error}); run `python -m {again}` again") from None
