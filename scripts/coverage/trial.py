"""Every method on one architecture."""

from __future__ import annotations

from dataclasses import dataclass, field
from unittest.mock import patch

import torch

from scripts.coverage.architectures import make
from scripts.coverage.pointing import misses
from scripts.coverage.statement import reads_last_stage
from ttame.attention.checkpoint import chosen_layers, make_network
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families import inner_batches
from ttame.explainers.registry import EXPLAINERS, find, refuse_undefined_pair

FEW = {"rise": {"masks": 4}, "iia": {"steps": 1}, "integrated_gradients": {"steps": 2}, "smoothgrad": {"draws": 2}}
"""Options that keep a trial short."""
SLICE = 2
"""Perturbed images a pass; of a method's many slices two run."""
WORKS = "yes"


@dataclass
class Trial:
    """What became of an architecture.

    Attributes:
        name: as `architectures.names` gives it.
        layers: that the rule chose, with their layouts.
        agreement: the least of theirs with the halves of the image; None where random weights leave nothing of it.
        methods: `yes`, or the line that refuses.
        misses: methods whose peak is not in the corner; None where there are no layers.
        refused: the line that refuses the classifier itself.
    """

    name: str
    layers: dict[str, str] = field(default_factory=dict)
    agreement: float | None = None
    methods: dict[str, str] = field(default_factory=dict)
    misses: list[str] | None = None
    refused: str | None = None


def methods() -> list[str]:
    """All that make maps of an image and a class, P-TAME left out: it reads another classifier."""
    return [name for name, entry in EXPLAINERS.items() if entry.kind != "control" and name != "ptame"]


def try_out(name: str) -> Trial:
    """Explain one image by every method.

    Raises:
        AssertionError: when the layers are not the last that the library states, or a map is none.
        Exception: any other that is not a line for users.
    """
    trial = Trial(name)
    try:
        backbone = make(name)
    except TTameError as error:
        trial.refused = str(error)
        return trial
    assert reads_last_stage(backbone) is not False, f"{name} is read at {backbone.target_layer}, before its last stage"
    layers = list(dict.fromkeys([*backbone.layers, backbone.target_layer]))
    trial.layers = {layer: str(backbone.layout(layer)) for layer in layers}
    found = [agreed for layer in layers if (agreed := backbone.trunk.agreement(layer)) is not None]
    trial.agreement = min(found, default=None)
    image = torch.randn(1, 3, *backbone.preprocessing.input_size, generator=torch.Generator().manual_seed(0))
    trial.methods = {method: _outcome(backbone, method, image) for method in methods()}
    trial.misses = misses(backbone)
    return trial


def _outcome(backbone: Backbone, method: str, image: torch.Tensor) -> str:
    try:
        refuse_undefined_pair(method, backbone.name, backbone.is_transformer)
        maps = _maps(backbone, method, image)
    except TTameError as error:
        return str(error)
    assert maps.ndim == 3, f"{method} on {backbone.name}: {tuple(maps.shape)}"
    assert bool(maps.isfinite().all()), f"{method} on {backbone.name}: not finite"
    return WORKS


def _maps(backbone: Backbone, method: str, image: torch.Tensor) -> torch.Tensor:
    target = torch.zeros(1, dtype=torch.long)
    training = find(method).training
    if training is None:
        with patch.dict(inner_batches.LARGEST, cpu=SLICE), inner_batches.rehearsed():
            return make_explainer(method, backbone, FEW.get(method))(image, target)
    chosen = training.defaults.get("mechanism", {}).get("feature_layers", "all")
    layers = chosen_layers(backbone, chosen)
    network = make_network(backbone, training.design, layers).eval()
    with torch.no_grad():
        maps: torch.Tensor = network(list(backbone.features(image, layers)[1].values()), target[:, None])[:, 0]
        if training.masks == "features":
            recording = backbone.record(image, layers[-1])
            assert torch.allclose(backbone.rerun(recording, recording.activation), recording.logits, atol=1e-3)
    return maps
