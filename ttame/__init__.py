"""Where does an image classifier look? T-TAME and the methods it is compared with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ttame.errors import TTameError as TTameError

if TYPE_CHECKING:
    from ttame.api.evaluation import evaluate as evaluate
    from ttame.api.explainer import Explainer as Explainer
    from ttame.api.explainer import explain as explain
    from ttame.api.explanation import Explanation as Explanation
    from ttame.api.images import load_images as load_images
    from ttame.api.mechanism import Mechanism as Mechanism
    from ttame.api.mechanism import load_mechanism as load_mechanism
    from ttame.api.models import open_model as open_model
    from ttame.api.training import train as train
    from ttame.api.wrapping import wrap as wrap

__version__ = "0.1.0"

_PLACES = {
    "Explainer": "explainer",
    "Explanation": "explanation",
    "Mechanism": "mechanism",
    "evaluate": "evaluation",
    "explain": "explainer",
    "load_images": "images",
    "load_mechanism": "mechanism",
    "open_model": "models",
    "train": "training",
    "wrap": "wrapping",
}
__all__ = [
    "Explainer",
    "Explanation",
    "Mechanism",
    "TTameError",
    "evaluate",
    "explain",
    "load_images",
    "load_mechanism",
    "open_model",
    "train",
    "wrap",
]


def __getattr__(name: str) -> Any:
    """What Python code uses, imported when it is asked for: it needs torch, which the workflow does not."""
    if name in _PLACES:
        return getattr(import_module(f"ttame.api.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'ttame' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names to complete."""
    return sorted([*globals(), *_PLACES])
