"""How good maps are, by the measures of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ttame.api.arguments import naming_arguments, refuse_other_model, refuse_other_number
from ttame.api.explainer import BATCH_SIZE, Explainer
from ttame.api.explanation import Explanation
from ttame.api.images import Batch, Images, as_batch
from ttame.api.surroundings import undisturbed
from ttame.api.targets import Targets, as_targets
from ttame.backbones.backbone import Backbone
from ttame.errors import NotDefined, TTameError, suggestion
from ttame.explainers.options import NoOptions
from ttame.measures.measure import refuse_other_sizes
from ttame.measures.options import SingleDeletionOptions
from ttame.measures.registry import MEASURES
from ttame.measures.single_deletion import cell_correlation, cell_drops
from ttame.metrics.adcc import adcc, coherency, complexity
from ttame.metrics.average_drop import drop
from ttame.metrics.masking import normalise_map, saliency_map
from ttame.metrics.scoring import insertion_and_deletion, masked_probabilities, probability, road_outcomes
from ttame.params.evaluation import CurveSettings, RoadSettings
from ttame.params.section import EachOnce, Percent, Section
from ttame.params.validation import validated
from ttame.report.aggregate import FRACTIONS, confidence_qualities, road_qualities


class AverageDropOptions(Section):
    """AD, IC and AG."""

    shares: Annotated[list[Percent], EachOnce] = Field(
        [100, 50, 15], min_length=1, description="percent of the pixels that are kept"
    )


TAKEN: dict[str, type[Section]] = {
    "average_drop": AverageDropOptions,
    "road": RoadSettings,
    "insertion_deletion": CurveSettings,
    "complexity": NoOptions,
    "adcc": NoOptions,
    "single_deletion": SingleDeletionOptions,
}
"""The measures that judge any map over any image, and their options."""

Measures = Sequence[str] | Mapping[str, Mapping[str, Any]] | None
"""Names, or names with options; None for all that can be had."""


class _Maps(NamedTuple):
    """Of one batch."""

    raw: Tensor
    saliency: Tensor
    targets: Tensor


@undisturbed()
def evaluate(
    model: Backbone,
    images: Images,
    result: Explanation | Tensor | NDArray[np.floating[Any]],
    measures: Measures = None,
    *,
    targets: Targets = None,
    explainer: Explainer | None = None,
    batch_size: int = BATCH_SIZE,
) -> pd.DataFrame:
    """Score maps, an image a row.

    Columns are those of the pipeline's tables, in percent but for single deletion: ad, ic and ag at every share of kept
    pixels; road_morf and road_lerf, the mean and every share; deletion, insertion, complexity; coherency and adcc,
    where `explainer` is given; single_deletion, -1 to 1. docs/numbers.md says which end is better.

    Args:
        model: the classifier.
        images: those that were explained.
        result: what an `Explainer` said of them, or the (B, h, w) maps of any other method.
        measures: names, of average_drop, road, insertion_deletion, complexity, adcc and single_deletion, or a mapping
            from names to their options, `{"road": {"shares": [10, 50]}}`; None for all that can be had.
        targets: of maps of another method, the classes that they explain; None for the model truths.
        explainer: what made the maps; adcc asks it again about the images times their maps.
        batch_size: images at a time.

    Returns:
        B rows, indexed by the names of the images: of the files, `a/cat.png` where two are called alike, else their
        places.

    Raises:
        TTameError: for an unknown measure or option, with near matches, and maps of other images.
        NotDefined: when a measure that is asked for says nothing of this classifier.
    """
    refuse_other_model(model)
    refuse_other_number(batch_size, "batch_size", 1)
    if explainer is not None and explainer.method != getattr(result, "method", explainer.method):
        raise TTameError(
            f"explainer: {explainer.method}, but the result is of {getattr(result, 'method', '')}; expected its own"
        )
    if explainer is not None and explainer.model is not model:
        raise TTameError(
            f"explainer: it explains another classifier, {explainer.model.name}; expected one of this model"
        )
    chosen = _chosen(measures, model, explainer)
    batch = as_batch(images, model)
    maps = _maps(model, batch, result, targets, batch_size)
    scored = []
    for start in range(0, len(batch.clean), batch_size):
        rows = slice(start, start + batch_size)
        scored.append(_score(model, batch.at(rows), _Maps(*(of_all[rows] for of_all in maps)), chosen, explainer))
    columns = {name: torch.cat([piece[name] for piece in scored]).cpu().numpy() for name in scored[0]}
    return _table(pd.DataFrame(columns), chosen).set_index(pd.Index(batch.names, name="name"))


@torch.no_grad()
def _score(
    model: Backbone, batch: Batch, maps: _Maps, chosen: Mapping[str, Any], explainer: Explainer | None
) -> dict[str, Tensor]:
    """(b,) values of every column of the scores, as the scores stage has them, and of single deletion."""
    raw, saliency, targets = maps
    found = {"probability": probability(model, batch.clean, targets)}
    if "average_drop" in chosen:
        found |= masked_probabilities(model, batch.pixels, saliency, targets, chosen["average_drop"].shares)
    if "road" in chosen:
        found |= road_outcomes(model, batch.clean, saliency, targets, batch.names, chosen["road"])
    if "insertion_deletion" in chosen:
        curves = chosen["insertion_deletion"]
        found |= insertion_and_deletion(model, batch.clean, saliency, targets, found["probability"], curves)
    if "complexity" in chosen:
        found["complexity"] = complexity(saliency)
    if "adcc" in chosen and explainer is not None:
        pixels = saliency[:, None] * batch.pixels
        again = explainer.explain_batch(Batch(pixels, model.normalise(pixels), batch.names), targets).raw
        found["coherency"] = coherency(normalise_map(raw), normalise_map(again.to(raw)))
        whole = masked_probabilities(model, batch.pixels, saliency, targets, [100])["probability_100"]
        found["adcc"] = adcc(drop(found["probability"], whole), found["coherency"], complexity(saliency))
    if "single_deletion" in chosen:
        drops = cell_drops(model, batch.clean, chosen["single_deletion"], targets)
        found["single_deletion"] = cell_correlation(saliency, drops.cpu())
    return found


def _table(scores: pd.DataFrame, chosen: Mapping[str, Any]) -> pd.DataFrame:
    """From the scores to the columns of the tables."""
    numbers: dict[str, Any] = {}
    if "average_drop" in chosen:
        numbers |= confidence_qualities(scores, chosen["average_drop"].shares)
    if "road" in chosen:
        numbers |= road_qualities(scores, chosen["road"].shares)
    numbers |= {name: scores[name].to_numpy() for name in FRACTIONS if name in scores}
    table = 100.0 * pd.DataFrame(numbers, index=scores.index).astype(float)
    if "single_deletion" in chosen:
        (column,) = MEASURES["single_deletion"].columns
        table[column.key] = column.scale * scores[column.key]
    return table


def _chosen(measures: Measures, model: Backbone, explainer: Explainer | None) -> dict[str, Any]:
    """Checked options by measure."""
    is_said = isinstance(measures, Sequence | Mapping) and not isinstance(measures, str)
    if measures is not None and not (is_said and all(isinstance(name, str) for name in measures)):
        raise TTameError(
            f"measures: {measures!r:.60}; expected names in a list, or a mapping from names to their options"
        )
    said = TAKEN if measures is None else measures
    options = {name: measures[name] if isinstance(measures, Mapping) else {} for name in said}
    if not options:
        raise TTameError(f"measures: there is none; expected one of {', '.join(TAKEN)}")
    chosen: dict[str, Any] = {}
    for name, values in options.items():
        if name not in TAKEN:
            hint = suggestion(str(name), TAKEN) or f"; expected one of {', '.join(TAKEN)}"
            raise TTameError(f"measures: {name!r} judges no maps over images of your own{hint}")
        if not isinstance(values, Mapping):
            raise TTameError(f"measures[{name!r}]: {values!r:.60}; expected options by name")
        with naming_arguments(f"measures[{name!r}]"):
            chosen[name] = validated(TAKEN[name], values, name)
    if "adcc" in chosen and explainer is None:
        if measures is not None:
            raise TTameError("explainer: is missing; adcc asks it about the images times their maps")
        del chosen["adcc"]
    if "single_deletion" in chosen:
        cells, size = chosen["single_deletion"].cells, model.preprocessing.input_size
        try:
            with naming_arguments("measures"):
                refuse_other_sizes("single_deletion", model.name, size, cells)
        except NotDefined:
            if measures is not None:
                raise
            del chosen["single_deletion"]
    return chosen


@torch.no_grad()
def _model_truths(model: Backbone, clean: Tensor, batch_size: int) -> Tensor:
    return torch.cat([model(part).argmax(1) for part in clean.split(batch_size)])


def _maps(model: Backbone, batch: Batch, result: Any, targets: Targets, batch_size: int) -> _Maps:
    """Of all images."""
    size = model.preprocessing.input_size
    if isinstance(result, np.ndarray):
        result = torch.from_numpy(np.ascontiguousarray(result))  # not of every view can torch make a tensor
    if isinstance(result, Explanation):
        if targets is not None:
            raise TTameError("targets: the result has its own; leave them out")
        raw, explained = result.raw, result.targets
        if int(explained.max()) >= model.num_classes:
            raise TTameError(
                f"result: it explains class {int(explained.max())}, which {model.name} with its {model.num_classes} "
                "classes does not have; expected a result of this model"
            )
    elif isinstance(result, Tensor):
        if result.ndim != 3 or not result.is_floating_point():
            raise TTameError(
                f"result: a {result.dtype} tensor {tuple(result.shape)}; expected maps (B, h, w), floating-point"
            )
        raw, clean = result.detach(), batch.clean
        explained = _model_truths(model, clean, batch_size) if targets is None else as_targets(targets, clean, model)
    else:
        raise TTameError(f"result: a {type(result).__name__}; expected what an explainer returns, or maps (B, h, w)")
    if len(raw) != len(batch.clean):
        raise TTameError(f"result: {len(raw)} maps for {len(batch.clean)} images; expected those of these images")
    # Half precision cannot tell a range from none.
    dtype = torch.promote_types(torch.promote_types(raw.dtype, batch.clean.dtype), torch.float32)
    raw = raw.to(batch.clean.device, dtype)
    return _Maps(raw, saliency_map(raw, size).to(batch.clean), explained.to(raw.device))
