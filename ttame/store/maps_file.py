"""The file that holds one method's maps for one backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.store.artifacts import atomic_path, reading
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

    def of(self, rows: slice, device: torch.device) -> Maps:
        """Those of some images, on a device."""

        def pick(tensor: Tensor) -> Tensor:
            return tensor[rows].to(device)

        return replace(
            self,
            names=self.names[rows],
            maps=pick(self.maps),
            targets=pick(self.targets),
            training_counts=None if self.training_counts is None else pick(self.training_counts),
            maps_of_masked=None if self.maps_of_masked is None else pick(self.maps_of_masked),
        )


def write_maps(path: Path, maps: Maps) -> None:
    """Write a maps file atomically."""
    optional = {"training_counts": maps.training_counts, "maps_of_masked": maps.maps_of_masked}
    tensors = {"maps": maps.maps, "targets": maps.targets}
    tensors |= {name: tensor for name, tensor in optional.items() if tensor is not None}
    # One metadata key alone: safetensors writes several in an order that changes from run to run.
    facts = {
        "names": list(maps.names),
        "forward": maps.forward_passes,
        "backward": maps.backward_passes,
        "preprocessing": asdict(maps.preprocessing),
        "class_names": list(maps.class_names.items()),
    }
    if maps.origin is not None:
        facts["origin"] = dict(maps.origin)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_METADATA: json.dumps(facts)})


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
