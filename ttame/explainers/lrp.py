"""Transformer attribution by layer-wise relevance propagation (Chefer, Gur, Wolf, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.attention.opening import AttentionStep
from ttame.backbones.backbone import Backbone
from ttame.backbones.hooks import hooked
from ttame.backbones.transformer_blocks import Block, read_transformer
from ttame.data.sample import Sample
from ttame.errors import TTameError
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.relevance import copy_rule, linear_rule, product_rule, sum_rule
from ttame.explainers.families.roll_out import roll_out
from ttame.explainers.options import LRPOptions


@dataclass(frozen=True)
class AttentionRelevance:
    """Of one layer, each (B, heads, N, N): the attention, its gradient of the class logit, its relevance."""

    attention: Tensor
    gradient: Tensor
    relevance: Tensor


class TransformerLRP(Explainer):
    """Relevance of the class logit propagated to every attention matrix, times its gradient, rolled out.

    Of each block the mean over heads of relu(gradient * relevance); their product with the identity added, without
    normalisation of rows (equations 13 and 14). `start_layer: 0`, the default, is T-TAME's; the original authors'
    evaluation starts at 1.

    The model's own modules compute; hooks read them, so timm's and torchvision's ViT and DeiT need no rewritten copy.
    The rules are for these: pre-norm blocks of plain attention and an MLP of two linear layers, and linear heads on the
    class token. Target layers: every attention layer. One forward and one backward pass and the propagation.

    The rules of layer-wise relevance propagation are the subject of a patent; by the README of a later published work
    they are free for personal and scientific use.

    Formula:
        L = the class token's row of Π_b (I + mean over heads of relu(∇A_b · R_b))
        R_b: relevance of the attention of block b, from the logit by R_i = Σ_j a_i w_ij / (Σ_i' a_i' w_i'j) R_j

    Limits:
        Divides by sums that can be near 0: rounding alone takes the rank correlation of single maps down to 0.8, and
        the batch size changes them. Rules are written for one layout of blocks, so other transformers are refused.
        Patented.
    """

    def __init__(self, backbone: Backbone, options: LRPOptions) -> None:
        super().__init__(backbone, options)
        self._transformer = read_transformer(backbone, "lrp")
        self._start = options.start_layer
        if self._start >= len(self._transformer.blocks):
            raise TTameError(
                f"explainers.lrp.start_layer: {backbone.name} has {len(self._transformer.blocks)} blocks; "
                "expected a smaller number"
            )

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, rows, columns) of the patch grid, not negative."""
        layers = [
            (layer.gradient * layer.relevance).relu().mean(1) for layer in self.attention_relevance(images, targets)
        ]
        return self._transformer.attention.deciding_map(roll_out(layers[self._start :], normalise_rows=False))

    def attention_relevance(self, images: Tensor, targets: Tensor) -> list[AttentionRelevance]:
        """Attention, gradient and relevance of every layer, the first first."""
        blocks = self._transformer.blocks
        steps: list[AttentionStep] = []

        def tap(_: int, step: AttentionStep) -> Tensor:
            weights = step.weights if step.weights.requires_grad else step.weights.detach().requires_grad_()
            steps.append(AttentionStep(step.query.detach(), step.key.detach(), step.value.detach(), weights))
            return weights

        watched = [self._transformer.norm, *(head for _, head in self._transformer.heads)]
        watched += [module for block in blocks for module in _watched(block)]
        values = _Values()
        looking = hooked(module.register_forward_hook(values.keep) for module in watched)
        with torch.enable_grad(), self._transformer.attention.opened(self.backbone, tap), looking:
            logits = self.backbone(images)
            weights = [step.weights for step in steps]
            gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), weights)
        self.backbone.passes.backward += len(images)
        with torch.no_grad():
            relevance = self._through_heads(logits.detach(), targets, values)
            found = []
            for block, step, gradient in zip(blocks[::-1], steps[::-1], gradients[::-1], strict=True):
                relevance, of_attention = _through_block(block, step, values, relevance)
                found.append(AttentionRelevance(step.weights.detach(), gradient, of_attention))
        return found[::-1]

    def _through_heads(self, logits: Tensor, targets: Tensor, values: _Values) -> Tensor:
        """From the one-hot class to the last block's output, (B, N, C)."""
        start = nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype)
        heads = self._transformer.heads
        shares: Sequence[Tensor] = [start]
        if len(heads) == 2:  # DeiT's class and distillation heads are averaged
            first, second = (values.output(head) / 2 for _, head in heads)
            shares = sum_rule(first, second, start)
        relevance = torch.zeros_like(values.output(self._transformer.norm))
        for (token, head), share in zip(heads, shares, strict=True):
            relevance[:, token] = linear_rule(values.input(head), head.weight, share)
        return relevance


def _through_block(block: Block, step: AttentionStep, values: _Values, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """From a block's output to its input, (B, N, C), and to its attention weights, (B, heads, N, N)."""
    stream = values.input(block.norm2)
    skipped, branch = sum_rule(stream, values.output(block.mlp_branch), relevance)
    branch = linear_rule(values.input(block.second), block.second.weight, branch)
    branch = linear_rule(values.output(block.norm2), block.first.weight, branch)
    relevance = copy_rule(stream, skipped, branch)

    stream, attention, weights = values.input(block.norm1), block.attention, step.weights.detach()
    skipped, branch = sum_rule(stream, values.output(block.attention_branch), relevance)
    joined = _join(weights @ step.value)
    branch = linear_rule(joined, attention.output.weight, branch)
    heads = branch.unflatten(2, (attention.heads, -1)).transpose(1, 2)
    of_weights, of_value = product_rule(weights, step.value, heads)
    of_query, of_key = product_rule(step.query, step.key.transpose(2, 3), of_weights)
    projected = torch.cat([_join(part) for part in (of_query, of_key.transpose(2, 3), of_value)], dim=2)
    branch = linear_rule(values.output(block.norm1), attention.input_weight, projected)
    return copy_rule(stream, skipped, branch), of_weights


def _join(heads: Tensor) -> Tensor:
    """(B, heads, N, d) to (B, N, C)."""
    return heads.transpose(1, 2).flatten(2)


def _watched(block: Block) -> list[nn.Module]:
    return [block.norm1, block.attention_branch, block.norm2, block.second, block.mlp_branch]


class _Values:
    """What goes into and comes out of modules: `keep` is a hook on them."""

    def __init__(self) -> None:
        self._seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        self._seen[module] = inputs[0].detach(), first.detach()

    def input(self, module: nn.Module) -> Tensor:
        return self._seen[module][0]

    def output(self, module: nn.Module) -> Tensor:
        return self._seen[module][1]
