"""The file that holds one method's maps for one backbone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.store.artifacts import atomic_path, reading
from ttame.store.growing_file import write_rows
from ttame.store.undefined import refuse_undefined

_METADATA = "ttame"


@dataclass(frozen=True)
class Maps:
    """Raw maps of the evaluation list.

    Attributes:
        names: N images, in the order of the list.
        maps: (N, h, w) float32 at the method's own resolution.
        targets: (N,) int64 explained classes, the model truths.
        training_counts: (N,) int64 how often the target was a model truth in training; None without training.
        maps_of_masked: (N, h, w) float32 of the images times their maps, for the coherency; None without it.
        forward_passes, backward_passes: counted, per map.
        preprocessing: of the classifier, so that a picture of the maps needs no classifier.
        class_names: of the targets; empty where the classifier has no names.
        origin: what they were made of; None where nothing is known.
    """

    names: Sequence[str]
    maps: Tensor
    targets: Tensor
    training_counts: Tensor | None
    maps_of_masked: Tensor | None
    forward_passes: float
    backward_passes: float
    preprocessing: Preprocessing
    class_names: Mapping[int, str] = field(default_factory=dict)
    origin: Mapping[str, str] | None = None

    def at(self, places: Sequence[int]) -> Maps:
        """Those of the images at these places of the list."""
        return self._picked([self.names[place] for place in places], lambda tensor: tensor[list(places)])

    def of(self, rows: slice, device: torch.device) -> Maps:
        """Those of some images, on a device."""
        return self._picked(self.names[rows], lambda tensor: tensor[rows].to(device))

    def _picked(self, names: Sequence[str], pick: Callable[[Tensor], Tensor]) -> Maps:
        return replace(
            self,
            names=names,
            maps=pick(self.maps),
            targets=pick(self.targets),
            training_counts=None if self.training_counts is None else pick(self.training_counts),
            maps_of_masked=None if self.maps_of_masked is None else pick(self.maps_of_masked),
        )


COLUMNS = ("maps", "targets", "training_counts", "maps_of_masked")
"""Tensors of a file, the last two of which may be missing."""


def write_maps(path: Path, maps: Maps) -> None:
    """Write a maps file atomically."""
    whole = {name: tensor for name in COLUMNS if (tensor := getattr(maps, name)) is not None}
    write_pieces(
        path,
        [whole],
        names=maps.names,
        passes=(maps.forward_passes, maps.backward_passes),
        preprocessing=maps.preprocessing,
        class_names=maps.class_names,
        origin=maps.origin,
    )


def write_pieces(
    path: Path,
    pieces: Iterable[Mapping[str, Tensor]],
    *,
    names: Sequence[str],
    passes: tuple[float, float],
    preprocessing: Preprocessing,
    class_names: Mapping[int, str],
    origin: Mapping[str, str] | None,
) -> None:
    """Write a maps file atomically, of which one piece at a time is in memory.

    Args:
        path: of the file.
        pieces: (b, ...) tensors by the names of `COLUMNS`, in the order of the list; other names are left out.
        names: of all images.
        passes: forward and backward, per map.
        preprocessing, class_names, origin: see `Maps`.
    """
    # One metadata key alone: safetensors writes several in an order that changes from run to run.
    facts = {
        "names": list(names),
        "forward": passes[0],
        "backward": passes[1],
        "preprocessing": asdict(preprocessing),
        "class_names": list(class_names.items()),
    }
    if origin is not None:
        facts["origin"] = dict(origin)
    rows = ({name: piece[name] for name in COLUMNS if name in piece} for piece in pieces)
    with atomic_path(path) as temporary:
        write_rows(temporary, len(names), rows, {_METADATA: json.dumps(facts)})


def read_maps(path: Path) -> Maps:
    """Read a maps file.

    Raises:
        TTameError: when it is missing or is no maps file.
        NotDefined: when it says that there are no maps of this pair.
    """
    refuse_undefined(path)
    try:
        with reading(path), safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[_METADATA])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _maps_of(tensors, facts)
    except FileNotFoundError:
        raise TTameError(f"{path}: no such maps; run `python -m ttame maps` for this method first") from None
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise TTameError(f"{path}: not a maps file ({error}); delete it and run `python -m ttame maps` again") from None


def _maps_of(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Maps:
    preprocessing: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts["preprocessing"].items()
    }
    return Maps(
        facts["names"],
        tensors["maps"].to(torch.float32),
        tensors["targets"],
        tensors.get("training_counts"),
        tensors.get("maps_of_masked"),
        facts["forward"],
        facts["backward"],
        Preprocessing(**preprocessing),
        {int(index): str(name) for index, name in facts["class_names"]},
        facts.get("origin"),
    )
