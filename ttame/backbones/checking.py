"""What a classifier that a user brings must give, tried once before anything is computed with it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError

_INSTALLED = {Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
"""Where no code of the user's is; site-packages and, on Debian and Colab, dist-packages, may be elsewhere too."""


def user_error(key: str, function: str, error: BaseException) -> TTameError:
    """One line for what a user's own code raised: the key, the function, the message and the user's file and line."""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" at {error.filename}:{error.lineno}"
        reason = error.msg
    else:
        place, reason = _users_line(error.__traceback__), str(error)
    reason = " ".join(reason.split())[:200]
    return TTameError(f"{key}: {function} raised {type(error).__name__}{place}: {reason or 'no message'}")


@contextmanager
def telling_users_errors(key: str, tried: str, model: nn.Module) -> Iterator[None]:
    """A block in which the user's model runs: what its code raises becomes one line, `user_error`; ours stay."""
    try:
        yield
    except TTameError:
        raise
    except Exception as error:  # whatever a user's forward raises
        if not is_the_users(error, model):
            raise
        raise user_error(key, tried, error) from None


def is_the_users(error: BaseException, model: nn.Module) -> bool:
    """Whether a user's own code raised it, or a call of the user's model did; else it is an error of ours."""
    if _users_line(error.__traceback__):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    called = any(frame.f_locals.get("self") is model for frame in frames)
    return called and Path(__file__).parents[1] not in Path(frames[-1].f_code.co_filename).parents


def _users_line(trace: TracebackType | None) -> str:
    package = Path(__file__).parents[1]
    for frame in reversed(traceback.extract_tb(trace)):
        file = Path(frame.filename)
        installed = _INSTALLED & {*file.parents} or {"site-packages", "dist-packages"} & {*file.parts}
        if (
            not installed
            and not frame.filename.startswith("<")
            and file.suffix == ".py"
            and package not in file.parents
        ):
            return f" at {file}:{frame.lineno}"
    return ""


def check_finite(name: str, key: str, model: nn.Module) -> None:
    """Refuse weights with NaN or infinity, which make every measure NaN."""
    for tensor_name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise TTameError(f"models.{name}.{key}: the tensor {tensor_name!r} is not finite (NaN or infinity)")


def check_outputs(backbone: Backbone, key: str, like: Tensor | None = None) -> None:
    """Try two images: logits of two classes or more, finite, no probabilities, with a gradient.

    The images are float32 on the CPU, which a classifier of the pipeline has to take, or as the tensor `like`.
    """
    count = replace(backbone.passes)
    rows, columns = backbone.preprocessing.input_size
    drawn = torch.randn(2, 3, rows, columns, generator=torch.Generator().manual_seed(0), device="cpu")
    images = drawn.to(drawn if like is None else like).requires_grad_()
    with torch.enable_grad():
        logits = backbone(images)
    backbone.passes = count
    _check_logits(logits.detach(), backbone, f"models.{backbone.name}.{key}")
    if not logits.requires_grad:
        raise TTameError(
            f"models.{backbone.name}.{key}: the logits carry no gradient; expected a forward without torch.no_grad "
            "and detach"
        )


def _check_logits(logits: Tensor, backbone: Backbone, key: str) -> None:
    if not bool(torch.isfinite(logits).all()):
        raise TTameError(f"{key}: the classifier's logits are not finite (NaN or infinity)")
    if logits.shape[1] < 2:
        raise TTameError(
            f"{key}: the classifier gives one logit x, and every measure would be 0 or 100; wrap it in a module that "
            "returns two, [0, x]"
        )
    if backbone.outputs == "logits" and bool((logits >= 0).all()) and _sums_to_one(logits):
        raise TTameError(
            f"{key}: the classifier returns probabilities (rows that sum to 1) where logits are expected; set "
            f"models.{backbone.name}.outputs: probabilities"
        )
    if backbone.outputs == "probabilities" and not _sums_to_one(logits.exp()):
        raise TTameError(
            f"models.{backbone.name}.outputs: probabilities, but the classifier gives rows that do not sum to 1; set "
            "it to logits"
        )


def _sums_to_one(rows: Tensor) -> bool:
    return bool(((rows.sum(1) - 1).abs() < 1e-4).all())
