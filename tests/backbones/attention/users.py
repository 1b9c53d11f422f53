"""Transformers that a user wrote: one that can be followed, and others that only look like it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .families import hugging_face, vit

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module):
    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.qkv, self.proj, self.attend = nn.Linear(24, 72), nn.Linear(24, 24), attend

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(2, (3, 2, 12)).permute(2, 0, 3, 1, 4)
        return self.proj(self.attend(query, key, value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, attention: nn.Module, ending: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attention, self.ending = nn.LayerNorm(24), nn.LayerNorm(24), attention, ending

    def forward(self, tokens: Tensor) -> Tensor:
        return self.ending(self.norm2(tokens + self.attention(self.norm1(tokens))))


class Patches(nn.Conv2d):
    grid_size = (4, 4)


class Users(nn.Module):
    """A transformer that a user wrote, of 16 patches and no class token; each argument can make it another thing."""

    num_prefix_tokens = 0

    def __init__(
        self,
        attend: Attend = functional.scaled_dot_product_attention,
        attention: Callable[[Attend], nn.Module] = Attention,
        ending: Callable[[Tensor], Tensor] = torch.tanh,
        pool: Callable[[Tensor], Tensor] = lambda tokens: tokens.mean(1),
    ) -> None:
        super().__init__()
        self.patch_embed = Patches(3, 24, 8, 8)
        self.blocks = nn.Sequential(*(Block(attention(attend), ending) for _ in range(3)))
        self.head, self.pool = nn.Linear(24, 5), pool

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        return self.head(self.pool(self.blocks(tokens)))


class WithoutGradients(Users):
    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)


class WithoutBlocks(Users):
    """The same, but its attention layers stand in a list of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Attention(functional.scaled_dot_product_attention) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        for attention in self.attentions:
            tokens = tokens + attention(tokens)
        return self.head(self.pool(tokens))


class Pooling(nn.Module):
    """A query of its own that attends to the tokens; the head gets what `choose` makes of that and of their mean."""

    def __init__(self, choose: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, 24))
        self.attention, self.choose = nn.MultiheadAttention(24, 2, batch_first=True), choose

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.query.expand(len(tokens), -1, -1)
        pooled, _ = self.attention(query, tokens, tokens, need_weights=False)
        return self.choose(pooled[:, 0], tokens.mean(1))


class Doubled(nn.MultiheadAttention):
    """Its forward is not torch's."""

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * super().forward(tokens, tokens, tokens, need_weights=False)[0]


class Sharper(Attention):
    """Has timm's switch, and another arithmetic behind it."""

    fused_attn = False

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens if self.fused_attn else 1.1 * tokens)


def by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(2, 3)).softmax(-1) @ value


def windows(*parts: Tensor) -> Tensor:
    windows = [part.unflatten(2, (4, 4)) for part in parts]
    return functional.scaled_dot_product_attention(*windows).flatten(2, 3)


def difference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attend = functional.scaled_dot_product_attention
    return attend(query, key, value) - 0.5 * attend(key, query, value)


def hugging_face_eager() -> nn.Module:
    model = hugging_face("ViT")
    model.model.set_attn_implementation("eager")
    return model


def differential() -> nn.Module:
    from timm.layers import DiffAttention

    return vit(attn_layer=DiffAttention)


def parallel() -> nn.Module:
    from timm.models.vision_transformer import ParallelThingsBlock

    return vit(block_fn=ParallelThingsBlock)
