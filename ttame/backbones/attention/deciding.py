"""Which tokens a transformer's head reads: their rows of an attention matrix decide the class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttame.backbones.attention.blocks import rewritten
from ttame.backbones.attention.opening import AttentionStep, opened
from ttame.errors import NotDefined

NOISE = 1e-3
"""By how much the tokens of the trial differ, as a share of their own spread."""
ALIKE = 0.2
"""By how much the gradients of tokens whose mean is read may differ, as a share of their mean."""


def tokens_that_decide(model: nn.Module, last_block: str, image: Tensor, prefix: int) -> tuple[slice, ...]:
    """The tokens that the head reads behind the last block, found by the gradient of the logits.

    The head is given tokens that are nearly alike. The gradient is then 0 at those that it does not read, and the same
    at those whose mean it takes; a maximum or weights by position have other gradients at other tokens.

    Args:
        model: the classifier.
        last_block: name of the block whose output is replaced.
        image: (1, 3, H, W), any.
        prefix: number of tokens before the patches.

    Returns:
        Groups of tokens whose means are read: the class token (alone, where a distillation token is read beside it),
        the patches, all tokens, or two groups, the class token and the patches.

    Raises:
        NotDefined: when it reads anything else, or its forward computes without gradients.
    """
    alike: list[Tensor] = []

    def give_alike(_: int, tokens: Tensor) -> Tensor:
        noise = _noise(tokens, seed=1) * NOISE * tokens.std()
        alike.append((tokens.mean(1, keepdim=True) + noise).requires_grad_())
        return alike[0].clone()  # the head may change it in place

    with torch.enable_grad(), rewritten(model, [last_block], give_alike):
        (gradient,) = _gradients(model(image), alike)
    groups = _groups(gradient[0], prefix)
    if groups is None:
        raise NotDefined("its head reads neither the class token nor a mean over tokens")
    return groups


def reads_pooling(model: nn.Module, last_block: str, image: Tensor, pooling: int) -> bool:
    """Whether the head reads what the attention layer number `pooling` makes of the tokens, and no tokens beside it.

    A model may have such a layer whose output its head leaves aside. The layer's weights are set to 0, so that no
    gradient reaches the tokens through it.

    Raises:
        NotDefined: when it reads both, or its forward computes without gradients.
    """
    leaves: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        if number != pooling:
            return step.weights
        leaves.append(torch.zeros_like(step.weights).requires_grad_())
        return leaves[-1]

    def watch(_: int, tokens: Tensor) -> Tensor:
        leaves.append(tokens.detach().requires_grad_())
        return leaves[-1].clone()

    with torch.enable_grad(), opened(model, tap), rewritten(model, [last_block], watch):
        of_tokens, of_pooling = (bool((gradient != 0).any()) for gradient in _gradients(model(image), leaves))
    if of_tokens and of_pooling:
        raise NotDefined("its head reads tokens beside what attention pools")
    return not of_tokens


def _gradients(logits: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Of all logits, by a sum with random weights; 0 at what they do not depend on."""
    if not logits.requires_grad:
        raise NotDefined("its forward leaves no gradients, which show what its head reads")
    score = (logits * _noise(logits, seed=2)).sum()
    gradients = torch.autograd.grad(score, leaves, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, gradients, strict=True)]


def _noise(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed), device="cpu").to(like)


def _groups(gradient: Tensor, prefix: int) -> tuple[slice, ...] | None:
    """The groups, by the gradient (N, C) of each token."""
    is_read = (gradient != 0).any(1)
    class_token, patches, everything = slice(0, 1), slice(prefix, None), slice(0, None)
    if not is_read.any():  # a head of zeros, which reads nothing yet
        return (class_token if prefix else patches,)
    if _is_mean(gradient):
        return (everything,)
    if is_read[:prefix].any() and not is_read[0]:
        return None
    if not is_read[patches].any():
        return (class_token,)
    if not _is_mean(gradient[patches]):
        return None
    return (class_token, patches) if is_read[:prefix].any() else (patches,)


def _is_mean(gradient: Tensor) -> bool:
    mean = gradient.mean(0)
    return bool(((gradient - mean).norm(dim=1) <= ALIKE * mean.norm()).all())
