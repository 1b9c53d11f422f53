"""LeGrad: the sensitivity of every layer's attention (Bousselham et al., ICCV 2025)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ttame.backbones.attention.blocks import rewritten
from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.attention.opening import AttentionStep
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.options import NoOptions


class LeGrad(Explainer):
    """The gradient of the class's score after each layer with respect to that layer's own attention, summed.

    The score of a layer is what the closing norm and the head make of the mean over all of its output tokens, also for
    a classifier by a mean over tokens, whatever its own mean leaves out. Of the gradient the positive part counts,
    averaged over heads and over the tokens that ask (section 3). Where attention pools the tokens, the pooling takes
    in each layer's output tokens, and its attention stands for the layer's own.

    Target layers: every block. One forward pass, at whose end the head sees the tokens of all layers as one batch, and
    one backward pass, which ends in each block.

    Formula:
        L = Σ_b mean over heads and asking tokens of relu(∂s_b / ∂A_b)
        s_b: the class's score of the mean of block b's output tokens, by the closing norm and the head

    Limits:
        Early blocks are read by a head that was trained on the last one. Mean over all asking tokens: what one token
        alone attends to is thinned out by the others. Attention itself is not part of the map, only how sensitive the
        score is.
    """

    def __init__(self, backbone: Backbone, options: NoOptions) -> None:
        super().__init__(backbone, options)
        self._attention = attention_layers(backbone, "legrad")

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, rows, columns) of the patch grid, not negative."""
        return self.layer_maps(images, targets).sum(0)

    def layer_maps(self, images: Tensor, targets: Tensor) -> Tensor:
        """The part of every layer: (layers, B, rows, columns), the first layer first."""
        count, pools, weights = len(self._attention.blocks), self._attention.pools, list[Tensor]()

        def tap(number: int, step: AttentionStep) -> Tensor:
            if pools and number < count:
                return step.weights
            weights.append(step.weights.detach().requires_grad_())
            return weights[-1]

        with torch.enable_grad(), self._attention.opened(self.backbone, tap), self._all_layers_to_the_head():
            logits = self.backbone(images)
            gradients = torch.autograd.grad(logits.gather(1, targets.repeat(count)[:, None]).sum(), weights)
        self.backbone.passes.backward += len(images)
        rows = torch.cat(gradients).relu().mean((1, 2))
        return self._attention.to_grid(rows.unflatten(0, (count, len(images))))

    @contextmanager
    def _all_layers_to_the_head(self) -> Iterator[None]:
        """What comes after the blocks gets the tokens of every layer, (layers * B, N, C), each from a graph of its own.

        Without attention pooling all N tokens are the layer's mean, so that the head reads it wherever it looks.
        """
        blocks, pools, outputs = self._attention.blocks, self._attention.pools, list[Tensor]()

        def give(number: int, tokens: Tensor) -> Tensor:
            outputs.append(tokens if pools else tokens.mean(1, keepdim=True).expand_as(tokens))
            return tokens.detach() if number < len(blocks) - 1 else torch.cat(outputs)

        with rewritten(self.backbone.model, blocks, give):
            yield
