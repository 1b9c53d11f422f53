"""The images that the explainers are timed on."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import fit_image, to_bytes, to_unit_range
from ttame.params.composition import compose
from ttame.params.settings import Settings
from ttame.runtime.device import select_device

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTOS = Path(os.environ.get("TTAME_SHARED", REPOSITORY.parent / "shared")) / "photos" / "pets_eval"


def load_images(backbone: Backbone, count: int) -> Tensor:
    """(count, 3, H, W), normalised, where the classifier is: photographs if `TTAME_SHARED` has them, else noise."""
    preprocessing, device = backbone.preprocessing, next(backbone.parameters()).device
    if not PHOTOS.exists():
        coarse = torch.rand(count, 3, 14, 14, generator=torch.Generator().manual_seed(0)).to(device)
        return backbone.normalise(torch.nn.functional.interpolate(coarse, preprocessing.input_size, mode="bilinear"))
    files = sorted(PHOTOS.iterdir())[:: len(list(PHOTOS.iterdir())) // count][:count]
    crops = [fit_image(Image.open(f).convert("RGB"), preprocessing) for f in files]
    pixels = torch.stack([to_bytes(crop) for crop in crops]).to(device)
    return backbone.normalise(to_unit_range(pixels))


def set_up_processor(threads: int) -> None:
    """As the stages do it."""
    select_device(settings_of("photos").execution.model_copy(update={"device": "cpu", "threads": threads}))


def settings_of(experiment: str) -> Settings:
    """An experiment of the repository, on all cores."""
    return compose(REPOSITORY / "experiments" / f"{experiment}.yaml", [f"execution.threads={os.cpu_count() or 1}"])
