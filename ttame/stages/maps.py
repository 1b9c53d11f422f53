"""Stage: the saliency maps of one method on one backbone, and what they cost."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import partial
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
from ttame.stages.pieces import Part, Piece
from ttame.stages.subject import Subject
from ttame.store.artifacts import write_text
from ttame.store.commands import command_of
from ttame.store.maps_file import write_pieces
from ttame.store.origin import origin_of_maps
from ttame.store.paths import cost_file, maps_file
from ttame.store.scratch import Scratch

FACTS = ("targets", "passes", "seconds_per_image", "peak_memory_bytes", "constant", "broken")
"""Of a piece, beside its maps."""


def run(settings: Settings, backbone_name: str, method: str, seed: int | None, part: Part | None = None) -> None:
    """Write the maps of the evaluation list and their cost; a part leaves its batches for the run of the whole.

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
    title = command_of("maps", backbone_name, method, seed, part=part)
    work = partial(_explain, explainer, backbone, with_masked)
    pieces = subject.images.finish(scratch, title, work, part)
    if part is not None:
        return
    facts = [_facts(piece) for piece in pieces]
    _write(target, subject.images.names, pieces, facts, backbone, origin)
    cost = {"backbone": backbone_name, "method": method} | _cost(settings, facts, subject.device)
    write_text(cost_file(settings, backbone_name, method, seed), json.dumps(cost, indent=2) + "\n")
    scratch.clear()


def _explain(explainer: Explainer, backbone: Backbone, with_masked: bool, batch: EvaluationBatch) -> dict[str, Tensor]:
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
        "peak_memory_bytes": torch.tensor([peak_memory_bytes(images.device)]),
    }
    flat = piece["maps"].flatten(1)
    piece |= {"constant": flat.amax(1) == flat.amin(1), "broken": ~flat.isfinite().all(1)}
    if with_masked:
        saliency = saliency_map(maps.detach(), backbone.preprocessing.input_size)
        masked = backbone.normalise(saliency[:, None] * batch.images)
        piece["maps_of_masked"] = explainer(masked, targets, batch.samples).detach().float().cpu()
    counts = explainer.training_counts(targets)
    return piece if counts is None else piece | {"training_counts": counts}


def _facts(piece: Piece) -> dict[str, Tensor]:
    """What is small of a piece, copied, since what safetensors reads keeps its whole file open."""
    return {name: piece[name].clone() for name in FACTS}


def _write(
    target: Path,
    names: list[str],
    pieces: Sequence[Piece],
    facts: Sequence[Piece],
    backbone: Backbone,
    origin: Mapping[str, str],
) -> None:
    broken, constant = (sum(int(fact[name].sum()) for fact in facts) for name in ("broken", "constant"))
    if broken or constant:
        print(f"{target}: {constant} constant maps and {broken} with values that are not finite", file=sys.stderr)
    forward, backward = torch.stack([fact["passes"] for fact in facts]).sum(0).tolist()
    explained = torch.cat([fact["targets"] for fact in facts]).unique().tolist()
    class_names = backbone.class_names
    write_pieces(
        target,
        pieces,
        names=names,
        passes=(forward / len(names), backward / len(names)),
        preprocessing=backbone.preprocessing,
        class_names={index: class_names[index] for index in explained} if class_names else {},
        origin=origin,
    )


def _cost(settings: Settings, facts: Sequence[Piece], device: torch.device) -> dict[str, object]:
    """Seconds and memory are measurements, not results: a file of their own keeps the maps the same bytes."""
    return {
        "seconds_per_image": statistics.median(fact["seconds_per_image"].item() for fact in facts),
        "peak_memory_bytes": max(int(fact["peak_memory_bytes"]) for fact in facts),
        "batch_size": settings.execution.batch_size,
        "device": device_name(device),
    }
