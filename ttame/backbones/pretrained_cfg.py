"""What a model states of its images in timm's `pretrained_cfg`."""

from __future__ import annotations

from torch import nn

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def timm_preprocessing(model: nn.Module, origin: str) -> Preprocessing:
    """What the model states in `pretrained_cfg`; ImageNet's usual values for a model that states nothing.

    Args:
        model: of timm, or the user's.
        origin: key and name of the model, for the message.

    Raises:
        TTameError: when what it states is not as timm states it.
    """
    try:
        preprocessing = _read(model)
        expected = len(preprocessing.mean) == len(preprocessing.std) == 3 and min(preprocessing.std) > 0
        reason = "" if expected else f"mean {preprocessing.mean}, std {preprocessing.std}"
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        reason = str(error)
    if reason:
        raise TTameError(
            f"{origin}: its pretrained_cfg does not fit ({reason}); expected timm's: "
            "input_size (3, rows, columns), mean and std of three numbers, std above 0"
        )
    return preprocessing


def _read(model: nn.Module) -> Preprocessing:
    stated = getattr(model, "pretrained_cfg", None) or {}
    rows, columns = stated.get("input_size", (3, 224, 224))[1:]
    return Preprocessing(
        (int(rows), int(columns)),
        round(min(rows, columns) / float(stated.get("crop_pct") or 0.875)),
        "bilinear" if stated.get("interpolation") == "bilinear" else "bicubic",
        tuple(stated.get("mean", IMAGENET_MEAN)),
        tuple(stated.get("std", IMAGENET_STD)),
    )
