"""The attention layers of a transformer as the methods follow them, from the patches to the tokens that decide."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ttame.backbones.attention.blocks import block_names
from ttame.backbones.attention.deciding import reads_pooling, tokens_that_decide
from ttame.backbones.attention.opening import Opened, Tap, opened
from ttame.backbones.attention.trial import OpenRun, is_close, mixes_elsewhere, run_as_it_is, run_in_the_open
from ttame.backbones.backbone import Backbone
from ttame.backbones.tokens import TokenLayout
from ttame.errors import NotDefined

FIRST = (slice(0, 1),)
"""The class token, or the only row of attention pooling."""


@dataclass(frozen=True)
class AttentionLayers:
    """What is known of the attention of a transformer: every fact found by a trial, none by the name of a class.

    Attributes:
        blocks: names of the modules whose outputs are the tokens after each layer of self-attention, the first first.
        pools: whether one more layer follows, in which a query of its own attends to the tokens and is classified.
        deciding: groups of tokens whose means are classified; of a layer that pools, its only row.
        layout: prefix tokens and grid.
    """

    blocks: tuple[str, ...]
    pools: bool
    deciding: tuple[slice, ...]
    layout: TokenLayout

    @property
    def count(self) -> int:
        """Layers on the way to the head, the pooling one too."""
        return len(self.blocks) + self.pools

    def opened(self, backbone: Backbone, tap: Tap) -> AbstractContextManager[Opened]:
        """`opening.opened` for these layers alone: one whose output the head leaves aside stays what it is."""
        return opened(backbone.model, lambda number, step: tap(number, step) if number < self.count else step.weights)

    def deciding_map(self, rows: Tensor) -> Tensor:
        """The row that decides, of (B, N, N) or of attention pooling's (B, 1, N), as a map of the patches.

        It is the class token's row; of a model that classifies a mean over tokens, the mean of these tokens' rows;
        where the head reads the class token beside the mean of the patches, the mean of the two; and of attention
        pooling the row of the query.

        Returns:
            (B, rows, columns).
        """
        return self.to_grid(torch.stack([rows[:, group].mean(1) for group in self.deciding]).mean(0))

    def to_grid(self, row: Tensor) -> Tensor:
        """(..., N) of the tokens to (..., rows, columns) of the patches."""
        return row[..., self.layout.prefix_tokens :].unflatten(-1, self.layout.grid)


def attention_layers(backbone: Backbone, method: str) -> AttentionLayers:
    """Open the attention of a transformer on a trial image, and check that it is what the methods take it for.

    The trial does not count as passes.

    Args:
        backbone: the classifier.
        method: for the message.

    Raises:
        NotDefined: when it has no tokens; some of its attention is not torch's, not among all tokens, or not one layer
            a block; its logits or a layer's output differ in the open from its own by more than 1e-4 of the largest
            value; its tokens reach each other in another way too; its head reads neither the class token nor a mean nor
            what attention pools; or its forward leaves no gradients to find that out.
    """
    try:
        return _inspect(backbone)
    except NotDefined as reason:
        raise NotDefined(
            f"{method} cannot follow the attention of {backbone.name}: {reason}; use a method that reads no attention, "
            "such as gradcam, rise or ttame"
        ) from None


@torch.no_grad()
def _inspect(backbone: Backbone) -> AttentionLayers:
    layout, model, image = backbone.tokens, backbone.model, _trial_image(backbone)
    if layout is None:
        raise NotDefined("it has no tokens")
    run = run_in_the_open(model, image)
    if run.hidden or not run.modules:
        raise NotDefined("it has attention that is not torch's scaled_dot_product_attention, or none at all")
    tokens = layout.prefix_tokens + layout.grid[0] * layout.grid[1]
    ends_pooling = _check_shapes(run, tokens)
    count = len(run.modules) - ends_pooling
    blocks = block_names(run.modules[:count])
    if blocks is None:
        raise NotDefined("a block of it has two layers of attention")
    _check_outputs(model, image, run, blocks)
    if mixes_elsewhere(model, image):
        raise NotDefined("its tokens reach each other in another way too")
    pools = ends_pooling and reads_pooling(model, blocks[-1], image, count)
    deciding = FIRST if pools else tokens_that_decide(model, blocks[-1], image, layout.prefix_tokens)
    return AttentionLayers(tuple(blocks), pools, deciding, layout)


def _trial_image(backbone: Backbone) -> Tensor:
    """(1, 3, H, W) of noise, the same in every run and on every device."""
    rows, columns = backbone.preprocessing.input_size
    noise = torch.randn(1, 3, rows, columns, generator=torch.Generator().manual_seed(0), device="cpu")
    return noise.to(next(backbone.model.parameters()))


def _check_shapes(run: OpenRun, tokens: int) -> bool:
    """Whether in the last layer a single query asks; all others are attention among all tokens."""
    ends_pooling = len(run.shapes) > 1 and run.shapes[-1][-2:] == (1, tokens) != (tokens, tokens)
    for shape in run.shapes[: len(run.shapes) - ends_pooling]:
        if len(shape) != 3 or shape[1:] != (tokens, tokens):
            raise NotDefined(
                f"a layer has weights of shape {shape}, not (heads, {tokens}, {tokens}), so that not all of the tokens "
                "attend to each other"
            )
    return ends_pooling


def _check_outputs(model: nn.Module, image: Tensor, run: OpenRun, blocks: list[str]) -> None:
    own = run_as_it_is(model, image, {*run.outputs, *blocks})
    # Layers too, since a small layer scale would hide a wrong one from the logits.
    if not is_close(run.logits, own.logits) or not all(is_close(run.outputs[n], own.outputs[n]) for n in run.outputs):
        raise NotDefined("computed in the open it gives other outputs")
    shapes = {getattr(own.outputs.get(block), "shape", (0,))[:-1] for block in blocks}
    goes_on = (is_close(own.inputs[after], own.outputs[before]) for before, after in pairwise(blocks))
    if shapes != {(1, run.shapes[0][-1])} or not all(goes_on):
        raise NotDefined("its layers are not in blocks, each of which takes in the tokens that the last one returns")
