"""A classifier made of an image tower and a list of words: the classes are texts (CLIP, Radford et al., ICML 2021)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.built import Built
from ttame.backbones.tokens import read_token_layout, state_token_layout
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.store.artifacts import atomic_path, reading

KEY = "ttame.text_head"
"""Of the metadata of a safetensors file: JSON with the names of the classes, and what the texts were made with."""


@dataclass(frozen=True)
class TextHead:
    """What the text tower says of every class.

    Attributes:
        weight: (K, D), a normalised embedding of each class's texts, times the model's scale.
        bias: (K,), SigLIP's, or None.
        class_names: K names.
        made_with: the model and the templates, as text.
    """

    weight: Tensor
    bias: Tensor | None
    class_names: list[str]
    made_with: dict[str, Any]


def write_text_head(path: Path, head: TextHead) -> None:
    """Write a safetensors file of `weight` and `bias`, the names of the classes in its metadata, atomically."""
    tensors = {"weight": head.weight.contiguous()} | ({} if head.bias is None else {"bias": head.bias.contiguous()})
    told = json.dumps({"class_names": head.class_names, "made_with": head.made_with}, ensure_ascii=False)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {KEY: told})


def read_text_head(path: Path, key: str) -> TextHead:
    """Read what `write_text_head` wrote.

    Args:
        path: the file.
        key: of the params, for messages.

    Raises:
        TTameError: for a file that is missing, broken, or no text head.
    """
    made_by = "expected a file that `python -m ttame text-head` makes"
    if not path.is_file():
        raise TTameError(f"{key}: {path}: no such file; {made_by}")
    try:
        with reading(path), safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118, it is no mapping
        names = [str(name) for name in told["class_names"]]
        head = TextHead(tensors["weight"], tensors.get("bias"), names, dict(told["made_with"]))
        expected = head.weight.ndim == 2 and (head.bias is None or head.bias.shape == (len(names),))
        reason = "" if expected and len(head.weight) == len(names) else "its tensors and its names differ in number"
        if not reason and not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            reason = "its tensors are not finite"
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__} {' '.join(str(error).split())[:120]}"
    if reason:
        raise TTameError(f"{key}: {path}: not a text head ({reason}); {made_by}")
    return head


class ZeroShotClassifier(nn.Module):
    """(B, 3, H, W) to (B, K): the normalised image embedding times each class's scaled text embedding, plus a bias."""

    def __init__(self, tower: nn.Module, head: TextHead) -> None:
        super().__init__()
        self.tower = tower
        classes, width = head.weight.shape
        self.head = nn.Linear(width, classes, bias=head.bias is not None)
        self.head.load_state_dict({"weight": head.weight} | ({} if head.bias is None else {"bias": head.bias}))
        state_token_layout(self, read_token_layout(tower))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(functional.normalize(self.tower(images), dim=-1))

    @classmethod
    @torch.no_grad()
    def build(cls, tower: nn.Module, head: TextHead, preprocessing: Preprocessing, name: str) -> Built:
        """Join the two.

        Raises:
            TTameError: when they are of different models.
        """
        rows, columns = preprocessing.input_size
        given = tower.eval()(torch.zeros(1, 3, rows, columns))
        if given.shape != (1, head.weight.shape[1]):
            raise TTameError(
                f"models.{name}.head: its texts have {head.weight.shape[1]} numbers, and the image tower gives "
                f"{tuple(given.shape[1:])}; make it with this very model, `python -m ttame text-head`"
            )
        return Built(cls(tower, head), preprocessing, head.class_names)
