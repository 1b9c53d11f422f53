"""Known parts, the idea of FunnyBirds (Hesse, Schaub-Meyer, Roth, ICCV 2023) on the embedded data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ttame.data.shapes import MOST_PARTS
from ttame.data.transforms import fit_image, fit_mask, to_bytes, to_unit_range
from ttame.errors import NotDefined
from ttame.measures.measure import Measure
from ttame.measures.options import KnownPartsOptions
from ttame.metrics.masking import resize_map
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.scratch import Scratch

NO_PART = 255


class KnownParts(Measure):
    """An image is drawn again without one of its objects, everything else untouched: the drop of the logit of the model
    truth is what that object is truly worth.

    `part_found`, 0 or 1, higher is better: whether the object of the largest drop has the largest mean of the map on
    its visible pixels. `idle_mass` in [0, 1], lower is better: the share of the map's mass that lies on objects whose
    drop is below `idle` of the largest. Images without an object that matters are left out. It cannot tell where within
    an object a map should look, and asks nothing of the background. Basis: `drops` (N, P), NaN where an image has fewer
    objects or none of its pixels is seen, and `parts` (N, H, W) uint8, which object is seen at a pixel, or 255.
    """

    options: KnownPartsOptions

    def passes(self, images: int) -> float:
        """The image, and the image without each of its objects."""
        return 1 + MOST_PARTS

    def prepare(self, subject: Subject, scratch: Scratch) -> Basis:
        """Draw every image again without each of its objects.

        Raises:
            NotDefined: when no object of any image raises the logit.
        """
        names = subject.images.names

        def examine(batch: EvaluationBatch) -> dict[str, Tensor]:
            samples = zip(batch.images, batch.samples, strict=True)
            found = [_examine(subject, image, sample.name) for image, sample in samples]
            drops = pad_sequence([drops for drops, _ in found], batch_first=True, padding_value=torch.nan)
            return {"drops": drops, "parts": torch.stack([parts for _, parts in found])}

        pieces = list(subject.images.finish(scratch, f"basis {subject.name} known_parts", examine))
        drops = pad_sequence(
            [row for piece in pieces for row in piece["drops"]], batch_first=True, padding_value=torch.nan
        )
        parts = torch.cat([piece["parts"] for piece in pieces])
        kept = torch.where(drops.isnan(), -torch.inf, drops).amax(1) > 0
        if not kept.any():
            raise NotDefined(f"known_parts is not defined on {subject.name}: no object of any image raises the logit")
        units = [name for name, is_kept in zip(names, kept.tolist(), strict=True) if is_kept]
        return Basis(units, subject.input_size, {"drops": drops[kept], "parts": parts[kept]})

    def judge(self, subject: Subject, maps: Tensor, basis: Basis, scratch: Scratch) -> Mapping[str, Tensor]:
        """`part_found` and `idle_mass`; no forward pass."""
        saliency = resize_map(maps, basis.input_size)
        drops, parts = basis.tensors["drops"], basis.tensors["parts"]
        return {
            "part_found": part_found(saliency, drops, parts),
            "idle_mass": idle_mass(saliency, drops, parts, self.options.idle),
        }


def _examine(subject: Subject, image: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """(P,) drops and (H, W) numbers of the objects of one image."""
    preprocessing = subject.backbone.preprocessing
    parts = subject.images.source.parts(name)
    assert parts is not None, "the params refuse this measure where images have no parts"
    fitted = [fit_image(without, preprocessing) for without in parts.without]
    without = torch.stack([to_unit_range(to_bytes(image)) for image in fitted]).to(image.device)
    logits = subject.logits(subject.backbone.normalise(torch.cat([image[None], without]))).double()
    target = logits[0].argmax()
    drops = (logits[0, target] - logits[1:, target]).cpu()
    numbers = torch.full(subject.input_size, NO_PART, dtype=torch.uint8)
    for number, pixels in enumerate(parts.pixels):
        numbers[torch.from_numpy(fit_mask(pixels, preprocessing))] = number
    seen = torch.tensor([bool((numbers == number).any()) for number in range(len(drops))])
    return torch.where(seen, drops, torch.nan), numbers


def part_found(saliency: Tensor, drops: Tensor, parts: Tensor) -> Tensor:
    """Whether the object of the largest drop has the largest mean of the map.

    Args:
        saliency: (B, H, W) in [0, 1].
        drops: (B, P), NaN for no object.
        parts: (B, H, W) uint8, the number of the object that is seen there; others for none.

    Returns:
        (B,) bool; an equal mean elsewhere is no find.
    """
    means = torch.stack([_mean_on(saliency, parts == number) for number in range(drops.shape[1])], dim=1)
    best = torch.where(drops.isnan(), -torch.inf, drops).argmax(1, keepdim=True)
    others = torch.where(drops.isnan(), -torch.inf, means).scatter(1, best, -torch.inf).amax(1)
    return means.gather(1, best)[:, 0] > others


def _mean_on(saliency: Tensor, pixels: Tensor) -> Tensor:
    return (saliency.double() * pixels).sum((1, 2)) / pixels.sum((1, 2)).clamp(min=1)


def idle_mass(saliency: Tensor, drops: Tensor, parts: Tensor, idle: float) -> Tensor:
    """Share of a map's mass on objects that decide nothing.

    Args:
        saliency, drops, parts: as for `part_found`; the largest drop of an image is above 0.
        idle: drops below this share of the largest decide nothing.

    Returns:
        (B,) in [0, 1]; a map without mass says the same of all pixels, and counts as even.
    """
    largest = torch.where(drops.isnan(), -torch.inf, drops).amax(1, keepdim=True)
    decides_nothing = drops < idle * largest
    on_idle = (
        torch.stack([parts == number for number in range(drops.shape[1])], dim=1) & decides_nothing[..., None, None]
    )
    mass = saliency.double()
    mass = torch.where(mass.amax((1, 2), keepdim=True) > 0, mass, 1.0)
    return (mass * on_idle.any(1)).sum((1, 2)) / mass.sum((1, 2)).clamp(min=1e-12)
