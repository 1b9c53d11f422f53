"""Stage: does a method's map depend on what the classifier has learned?"""

from __future__ import annotations

import math
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.randomising import layers_from_output, randomise, restored
from ttame.explainers.explainer import Explainer
from ttame.metrics.masking import normalise_map
from ttame.metrics.rank_correlation import rank_correlation
from ttame.params.evaluation import SanitySettings
from ttame.params.settings import Settings
from ttame.stages.evaluation_images import EvaluationBatch, EvaluationImages
from ttame.stages.method import Method
from ttame.stages.pieces import Part
from ttame.stages.subject import Subject
from ttame.store.artifacts import write_text
from ttame.store.commands import command_of
from ttame.store.origin import origin_of_sanity
from ttame.store.paths import sanity_file
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone_name: str, method: str, seed: int | None, part: Part | None = None) -> None:
    """Write a CSV with a row per image: name, and for every depth the rank correlation of the map with the map after
    that share of the layers, counted from the output, was randomised. The class stays the model truth
    of the untouched classifier, and a trained mechanism stays as it is. So does the auxiliary classifier of P-TAME:
    its map looks at the explained one in training alone, and its correlation is 1 at every depth. The last column,
    the same in every row, is the digest of what made the table. A part leaves its batches for the run of the whole.
    """
    subject = Subject(settings, backbone_name)
    explainer = Method(subject, method, seed).explainer
    images = EvaluationImages(settings, subject.backbone, subject.device, at_most=settings.sanity.images)
    target = sanity_file(settings, backbone_name, method, seed)
    origin = origin_of_sanity(settings, backbone_name, method, seed)
    scratch = Scratch(target, subject.identity(origin))
    title = command_of("sanity", backbone_name, method, seed, part=part)
    work = partial(correlations, explainer, subject.backbone, settings=settings.sanity)
    pieces = images.finish(scratch, title, work, part)
    if part is not None:
        return
    table = pd.DataFrame({"name": images.names})
    found = list(pieces)
    for depth in settings.sanity.depths:
        name = f"depth_{depth}"
        table[name] = torch.cat([piece[name] for piece in found]).numpy()
    table = table.assign(**origin)
    write_text(target, table.to_csv(index=False, float_format="%.6g"))
    scratch.clear()


def correlations(
    explainer: Explainer, backbone: Backbone, batch: EvaluationBatch, settings: SanitySettings
) -> dict[str, Tensor]:
    """(B,) correlations of one batch for every depth, `depth_<percent>`."""
    images = backbone.normalise(batch.images)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
    before = normalise_map(explainer(images, targets, batch.samples).detach())
    layers = layers_from_output(backbone.model)
    found = {}
    for depth in settings.depths:
        with restored(backbone.model):
            # The seed is the same at every depth, so that more layers are randomised and none anew.
            randomise(layers[: math.ceil(len(layers) * depth / 100)], settings.seed)
            after = normalise_map(explainer(images, targets, batch.samples).detach())
        found[f"depth_{depth}"] = rank_correlation(before, after)
    return found
