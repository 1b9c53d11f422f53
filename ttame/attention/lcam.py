"""L-CAM (Gkartzonika, Gkalelis, Mezaris, ECCVW 2022): the smallest attention mechanism."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ttame.attention.mechanism import capped, resize, rows_of, weigh
from ttame.backbones.tokens import TokenLayout
from ttame.errors import TTameError


class LCAM(nn.Module):
    """One 1x1 convolution from a single feature set to one map a class. On a transformer it reads the patch tokens.

    Raises:
        TTameError: when there is more than one feature set.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, layout: TokenLayout | None = None) -> None:
        super().__init__()
        if len(channels) != 1:
            raise TTameError(
                f"L-CAM reads one feature layer and was given {len(channels)}; name one in "
                "mechanism.feature_layers, [-1] for the last"
            )
        self.layout = layout
        self.fuser = nn.Conv2d(channels[0], num_classes, 1)

    def forward(self, features: Sequence[Tensor], classes: Tensor | None = None) -> Tensor:
        """Raw maps, (B, K or M, h, w) at the resolution of the features, at most 56; see `AttentionMechanism`."""
        (feature,) = features
        if self.layout is not None:
            feature = self.layout.to_maps(feature)
        weight, bias = rows_of(self.fuser, classes)
        maps = weigh(feature, weight) + bias[..., None, None]
        return resize(maps, capped(tuple(maps.shape[2:])))
