"""The file that holds one method's maps for one backbone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
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


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of the maps of a list, beside the maps.

    Attributes:
        names: N images, in the order of the list.
        targets: (N,) int64 explained classes, the model truths.
        training_counts: (N,) int64 how often the target was a model truth in training; None without training.
        forward_passes, backward_passes: counted, per map.
        preprocessing: of the classifier, so that a picture of the maps needs no classifier.
        class_names: of the targets; empty where the classifier has no names.
        origin: what they were made of; None where nothing is known.
    """

    names: Sequence[str]
    targets: Tensor
    training_counts: Tensor | None = None
    forward_passes: float
    backward_passes: float
    preprocessing: Preprocessing
    class_names: Mapping[int, str] = field(default_factory=dict)
    origin: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Maps(Description):
    """Raw maps and what is known of them.

    Attributes:
        maps: (N, h, w) float32 at the method's own resolution.
        maps_of_masked: (N, h, w) float32 of the images times their maps, for the coherency; None without it.
    """

    maps: Tensor
    maps_of_masked: Tensor | None = None

    def of(self, rows: slice, device: torch.device) -> Maps:
        """Those of some images, on a device."""
        columns = {name: column for name in COLUMNS if (column := getattr(self, name)) is not None}
        picked: dict[str, Any] = {name: column[rows].to(device) for name, column in columns.items()}
        return replace(self, names=self.names[rows], **picked)


@dataclass(frozen=True, kw_only=True)
class StoredMaps(Description):
    """A maps file of which some images are read at a time, so that its size is not the memory's.

    Attributes:
        path: of the file.
    """

    path: Path

    def of(self, rows: slice, device: torch.device) -> Maps:
        """Those of some images next to each other, on a device."""
        tensors = self._read(lambda column: column[rows])
        return self._maps(self.names[rows], tensors).of(slice(None), device)

    def at(self, places: Sequence[int]) -> Maps:
        """Those of the images at these places of the list."""
        tensors = self._read(lambda column: torch.stack([column[place] for place in places]))
        return self._maps([self.names[place] for place in places], tensors)

    def _read(self, pick: Callable[[Any], Tensor]) -> dict[str, Tensor]:
        # Opened anew each time: what was read of a file that is open counts as memory of this process.
        with _refusing(self.path), safe_open(self.path, framework="pt") as file:
            return {name: pick(file.get_slice(name)) for name in file.keys()}  # noqa: SIM118, it is no dict

    def _maps(self, names: Sequence[str], tensors: Mapping[str, Tensor]) -> Maps:
        known = {item.name: getattr(self, item.name) for item in fields(Description)}
        return Maps(**{**known, **tensors, "names": names, "maps": tensors["maps"].to(torch.float32)})


COLUMNS = ("maps", "targets", "training_counts", "maps_of_masked")
"""Tensors of a file, the last two of which may be missing."""
SMALL = ("targets", "training_counts")
"""A number an image."""


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


def read_maps(path: Path) -> StoredMaps:
    """Open a maps file.

    Raises:
        TTameError: when it is missing or is no maps file, now or as soon as maps are read from it; when it has another
            number of names than of maps, or of anything else that it holds for every image.
        NotDefined: when it says that there are no maps of this pair.
    """
    refuse_undefined(path)
    with _refusing(path), safe_open(path, framework="pt") as file:
        facts = json.loads((file.metadata() or {})[_METADATA])
        _refuse_other_numbers(path, len(facts["names"]), {name: _rows(file, name) for name in file.keys()})  # noqa: SIM118
        small = {name: file.get_tensor(name).clone() for name in SMALL if name in file.keys()}  # noqa: SIM118
        preprocessing: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in facts["preprocessing"].items()
        }
        return StoredMaps(
            path=path,
            names=facts["names"],
            targets=small["targets"],
            training_counts=small.get("training_counts"),
            forward_passes=facts["forward"],
            backward_passes=facts["backward"],
            preprocessing=Preprocessing(**preprocessing),
            class_names={int(index): str(name) for index, name in facts["class_names"]},
            origin=facts.get("origin"),
        )


def _rows(file: Any, name: str) -> int:
    """Of a tensor in an open file."""
    return int(file.get_slice(name).get_shape()[0])


def _refuse_other_numbers(path: Path, names: int, rows: Mapping[str, int]) -> None:
    if "maps" not in rows or "targets" not in rows:
        raise KeyError(f"it holds {', '.join(rows) or 'nothing'}; expected maps and targets")
    wrong = [f"{count} {name}" for name, count in rows.items() if count != names]
    if wrong:
        raise TTameError(
            f"{path}: names of {names} images, but {' and '.join(sorted(wrong))}; delete it and run `python -m ttame "
            "maps` again"
        )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """What goes wrong with a maps file, in one line."""
    try:
        with reading(path):
            yield
    except FileNotFoundError:
        raise TTameError(f"{path}: no such maps; run `python -m ttame maps` for this method first") from None
    except (SafetensorError, OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise TTameError(f"{path}: not a maps file ({error}); delete it and run `python -m ttame maps` again") from None
