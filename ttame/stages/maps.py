"""Stage: the saliency maps of one method on one backbone, and what they cost."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.explainers.explainer import Explainer
from ttame.metrics.masking import saliency_map
from ttame.params.settings import Settings
from ttame.runtime.device import device_name, peak_memory_bytes, read_clock
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.method import Method
from ttame.stages.subject import Subject
from ttame.store.artifacts import write_text
from ttame.store.commands import command_of
from ttame.store.maps_file import Maps, write_maps
from ttame.store.origin import origin_of_maps
from ttame.store.paths import cost_file, maps_file
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone_name: str, method: str, seed: int | None) -> None:
    """Write the maps of the evaluation list and their cost.

    Finished batches survive a kill; the next run goes on after them.

    Raises:
        NotDefined: when the method is not defined on this classifier.
    """
    subject = Subject(settings, backbone_name)
    backbone, explainer = subject.backbone, Method(subject, method, seed).explainer
    origin = origin_of_maps(settings, backbone_name, method, seed)
    target = maps_file(settings, backbone_name, method, seed)
    scratch = Scratch(target, subject.identity(origin))
    with_masked = settings.metrics.coherency
    title = command_of("maps", backbone_name, method, seed)
    pieces = subject.images.finish(scratch, title, lambda batch: _explain(explainer, backbone, batch, with_masked))
    _write(target, subject.images.names, pieces, backbone, origin)
    cost = {"backbone": backbone_name, "method": method} | _cost(settings, pieces, subject.device)
    write_text(cost_file(settings, backbone_name, method, seed), json.dumps(cost, indent=2) + "\n")
    scratch.clear()


def _explain(explainer: Explainer, backbone: Backbone, batch: EvaluationBatch, with_masked: bool) -> dict[str, Tensor]:
    """Maps of one batch, with its passes and seconds; with `with_masked`, maps of the images times their maps too."""
    images = backbone.normalise(batch.images)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
    backbone.passes.forward = backbone.passes.backward = 0
    started = read_clock(images.device)
    maps = explainer(images, targets, batch.samples)
    seconds = read_clock(images.device) - started
    piece = {
        "maps": maps.detach().float().cpu(),
        "targets": targets.cpu(),
        "passes": torch.tensor([backbone.passes.forward, backbone.passes.backward]),
        "seconds_per_image": torch.tensor([seconds / len(images)], dtype=torch.float64),
    }
    if with_masked:
        saliency = saliency_map(maps.detach(), backbone.preprocessing.input_size)
        masked = backbone.normalise(saliency[:, None] * batch.images)
        piece["maps_of_masked"] = explainer(masked, targets, batch.samples).detach().float().cpu()
    counts = explainer.training_counts(targets)
    return piece if counts is None else piece | {"training_counts": counts}


def _write(
    target: Path,
    names: list[str],
    pieces: Sequence[Mapping[str, Tensor]],
    backbone: Backbone,
    origin: Mapping[str, str],
) -> None:
    maps = torch.cat([piece["maps"] for piece in pieces])
    broken = int((~maps.isfinite()).flatten(1).any(1).sum())
    constant = int((maps.flatten(1).amax(1) == maps.flatten(1).amin(1)).sum())
    if broken or constant:
        print(f"{target}: {constant} constant maps and {broken} with values that are not finite", file=sys.stderr)
    forward, backward = torch.stack([piece["passes"] for piece in pieces]).sum(0).tolist()
    targets = torch.cat([piece["targets"] for piece in pieces])
    class_names = backbone.class_names
    found = Maps(
        names,
        maps,
        targets,
        _joined(pieces, "training_counts"),
        _joined(pieces, "maps_of_masked"),
        forward / len(names),
        backward / len(names),
        backbone.preprocessing,
        {index: class_names[index] for index in targets.unique().tolist()} if class_names else {},
        origin,
    )
    write_maps(target, found)


def _joined(pieces: Sequence[Mapping[str, Tensor]], name: str) -> Tensor | None:
    return torch.cat([piece[name] for piece in pieces]) if name in pieces[0] else None


def _cost(settings: Settings, pieces: Sequence[Mapping[str, Tensor]], device: torch.device) -> dict[str, object]:
    """Seconds and memory are measurements, not results: a file of their own keeps the maps the same bytes."""
    return {
        "seconds_per_image": statistics.median(piece["seconds_per_image"].item() for piece in pieces),
        "peak_memory_bytes": peak_memory_bytes(device),
        "batch_size": settings.execution.batch_size,
        "device": device_name(device),
    }
