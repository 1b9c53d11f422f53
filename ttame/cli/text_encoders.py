"""From texts to embeddings with the text tower of a model of an image and a text tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones import hugging_face, open_clip_towers
from ttame.backbones.repository import Repository, transformers_for
from ttame.errors import TTameError
from ttame.params.model_source import HUGGING_FACE, OPEN_CLIP, split_library
from ttame.params.settings import ModelSettings

NAME = "MODEL"
"""Of the model in messages, which are about the words of the command here."""


@dataclass(frozen=True)
class TextEncoder:
    """A text tower, and what its model multiplies and adds to a cosine.

    Attributes:
        encode: from n texts to (n, D) embeddings.
        scale, bias: of the logits; a bias is SigLIP's.
    """

    encode: Callable[[Sequence[str]], Tensor]
    scale: float
    bias: float | None


def open_text_encoder(settings: ModelSettings, device: torch.device) -> TextEncoder:
    """The text tower of `hf:` or `open_clip:`.

    Raises:
        TTameError: when the model has none, or cannot be read.
    """
    library, _ = split_library(settings.model)
    try:
        if library == HUGGING_FACE:
            return _hugging_face(settings, device)
        if library == OPEN_CLIP:
            return _open_clip(settings, device)
    except TTameError as error:
        words = str(error).replace(f"models.{NAME}.model", NAME).replace(f"models.{NAME}.", "--")
        raise TTameError(words) from None
    raise TTameError(f"{NAME}: {settings.model} has no text tower; expected hf:FOLDER, hf:NAME or open_clip:NAME@TAG")


def _hugging_face(settings: ModelSettings, device: torch.device) -> TextEncoder:
    with ExitStack() as stack:
        library = stack.enter_context(transformers_for(settings.model, NAME))
        pair = hugging_face.load_pair(NAME, settings, library).eval().to(device)
        tokenizer = Repository(NAME, settings.model).read(library.AutoTokenizer)
    length = int(pair.config.text_config.max_position_embeddings)

    def encode(texts: Sequence[str]) -> Tensor:
        # SigLIP was trained on texts that are filled up; CLIP reads up to the end of the text alone.
        tokens = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return pair.get_text_features(**tokens.to(device)).pooler_output

    return TextEncoder(encode, *_scale_and_bias(pair))


def _open_clip(settings: ModelSettings, device: torch.device) -> TextEncoder:
    pair = open_clip_towers.load_pair(NAME, settings).eval().to(device)
    tokenizer = open_clip_towers.tokenizer_of(settings.model, NAME)

    def encode(texts: Sequence[str]) -> Tensor:
        return pair.encode_text(tokenizer(list(texts)).to(device))

    return TextEncoder(encode, *_scale_and_bias(pair))


def _scale_and_bias(pair: Any) -> tuple[float, float | None]:
    bias = getattr(pair, "logit_bias", None)
    return float(pair.logit_scale.detach().exp()), None if bias is None else float(bias.detach())


@torch.no_grad()
def embed_classes(
    encoder: TextEncoder, classes: Sequence[str], templates: Sequence[str], advance: Callable[[int], object]
) -> Tensor:
    """What the texts of each class say: the mean over templates of normalised embeddings, normalised again.

    Args:
        encoder: of `open_text_encoder`.
        classes: K names.
        templates: texts with `{}` in the place of the name (Radford et al., ICML 2021, section 3.1.4).
        advance: is told of every class.

    Returns:
        (K, D), each row of length 1.
    """
    rows = []
    for name in classes:
        texts = [template.replace("{}", name) for template in templates]
        embeddings = functional.normalize(encoder.encode(texts).float(), dim=-1)
        rows.append(functional.normalize(embeddings.mean(0), dim=-1).cpu())
        advance(1)
    return torch.stack(rows)
