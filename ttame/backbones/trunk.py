"""The trunk of a classifier: the modules that its maps pass through one after the other, from its first block on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from ttame.backbones.feature_hooks import outputs_of
from ttame.backbones.layout import Layout
from ttame.backbones.lookalikes import pooling_tokens, without_the_image
from ttame.backbones.members import members
from ttame.backbones.probing import Step, probe, probing_images
from ttame.backbones.tokens import TokenLayout
from ttame.errors import TTameError

MORE_PAIRS = 8
"""Of probing images, where one pair does not tell."""
EMBEDDING = re.compile(r"stem|embed|^pos(_|ition|$)", re.IGNORECASE)
"""Names of what comes before the first block."""
CLASS_ATTENTION = re.compile(r"class_?att|cls_attn|class_?block|token_only", re.IGNORECASE)
"""Names and types of blocks in which a class token alone asks (CaiT, XCiT, VOLO); nothing after them is a map."""

POOLING = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
"""What a head begins with; one value a channel can have the shape of a sequence."""


class Trunk:
    """What a classifier's modules give, and where a layer is in it.

    Attributes:
        stated: what the model says of its tokens, or None.
        members: names of the classifiers of an ensemble, which all see the image; none where it is one.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, int], stated: TokenLayout | None) -> None:
        """Run the model once, on images whose halves differ."""
        self.stated = stated
        self._model, self._input_size = model, input_size
        self._modules = dict(model.named_modules())
        self._deciding: dict[str, bool] = {}
        self.members: list[str] = []
        self._look(pairs=1)
        if any(step.agreements and step.layout is None and self.holds(step) for step in self._steps):
            # Where much of a map is the same for all positions (attention with random weights), one pair says little.
            self._look(MORE_PAIRS)
        self._constant = without_the_image(model, input_size, self._steps)
        self._pooling = pooling_tokens(model, input_size, self._steps, self.holds)
        self.members = members(model, input_size, self._gives_map)

    def _look(self, pairs: int) -> None:
        self._steps, self._others = probe(self._model, self._input_size, self.stated, pairs)
        self._given = {step.name: step for step in self._steps}
        self._blocks = self._find_blocks()

    def usable(self) -> list[Step]:
        """The steps that can be feature layers: their halves are the image's, and they are behind the embedding."""
        return [step for place, step in enumerate(self._steps) if step.layout and not self._is_none(place)]

    def _is_none(self, place: int) -> bool:
        """Whether what has the shape of a map is none."""
        return self._outside(place) or self._steps[place].name in self._constant | self._pooling

    def in_order(self, layers: Iterable[str]) -> list[str]:
        """Names of modules in the order in which they finish; those that are not called stand at the end."""
        places = {step.name: place for place, step in enumerate(self._steps)}
        return sorted(layers, key=lambda layer: places.get(layer, len(places)))

    def holds(self, step: Step) -> bool:
        """Whether a step is one of the trunk: not inside a block, and not a pooled map."""
        if isinstance(step.module, POOLING):
            return False
        return all(self._is_passage(parent) for parent in _parents(step.name))

    def is_block(self, step: Step) -> bool:
        """Whether a step is a module of several layers that are more than a chain."""
        return _is_block(step.module)

    def decides(self, step: Step) -> bool:
        """Whether the logits depend on the positions of the image in a step's output, and not on its prefix alone."""
        if step.name not in self._deciding:
            self._deciding[step.name] = self._find_out_whether_it_decides(step)
        return self._deciding[step.name]

    def _find_out_whether_it_decides(self, step: Step) -> bool:
        layout = step.layout or next(iter(step.agreements))
        with torch.enable_grad(), outputs_of({step.name: step.module}, cut=True) as outputs:
            # With a gradient of its own, so that logits which pass the layer by have one too.
            logits = self._model(probing_images(self._input_size, like=self._model)[:1].requires_grad_())
            if not isinstance(logits, Tensor) or not logits.requires_grad:
                return True  # others say what is wrong with such a classifier
            (gradient,) = torch.autograd.grad(logits.sum(), outputs[step.name], allow_unused=True)
        if gradient is None:
            return False
        # A head that starts with zeros has no gradient anywhere.
        return bool(layout.to_maps(gradient).any()) or not bool(gradient.any())

    def unreadable_after(self, layer: str) -> str | None:
        """A later map of the trunk that decides and does not lay the image out, None where there is none.

        It has a map's shape and another order of positions (windows one after the other), so that a rule which takes
        the last map that it can read would go back to an earlier one.
        """
        place = self._steps.index(self._given[layer])
        for later, step in enumerate(self._steps[place + 1 :], place + 1):
            scrambled = bool(step.agreements) and step.layout is None
            if scrambled and not self._is_none(later) and self.holds(step) and self.decides(step):
                return step.name
        return None

    def agreement(self, layer: str) -> float | None:
        """How far the halves of the map are those of the image, in [-1, 1]; None where that cannot be asked."""
        step = self._given[layer]
        return None if step.layout is None else step.agreements[step.layout]

    def layout(self, layer: str, key: str) -> Layout:
        """The layout of a layer that somebody named.

        Args:
            layer: name of a module.
            key: of the setting that names it, for the error.

        Raises:
            TTameError: when the layer cannot be read as maps of the image, with the layers that can.
        """
        step = self._given.get(layer)
        reason = self._reason_against(layer)
        if reason is None and step is not None and step.layout is not None:
            return step.layout
        able = [step.name for step in self.usable() if self.holds(step)] or [step.name for step in self.usable()]
        known = f"; layers that can be read are {', '.join(able[-6:])}" if able else ""
        raise TTameError(f"{key}: the layer {layer!r} {reason}{known}")

    def refused(self) -> list[tuple[Step, str]]:
        """What is on the trunk and cannot be read, in execution order, with the reason."""
        found = [(step, self._reason_against(step.name)) for step in self._given.values() if self.holds(step)]
        return [(step, reason.partition(";")[0]) for step, reason in found if reason is not None]

    def _reason_against(self, layer: str) -> str | None:
        """Why a layer cannot be read, or None."""
        step = self._given.get(layer)
        expected = "expected a feature map (B, C, h, w) or (B, h, w, C), or tokens (B, N, C)"
        if layer in self._others:
            return f"gives a {self._others[layer]}; {expected}"
        if step is None:
            return f"is not called by the forward pass; {expected}"
        if not step.agreements:
            return f"gives (B, {', '.join(map(str, step.shape[1:]))}); {expected}"
        reasons = (
            (layer in self._constant, "gives the same for every image"),
            (layer in self._pooling, "gives tokens that ask for the whole image (queries) and lie nowhere in it"),
            (
                step.layout is None,
                "does not lay the image out: what changes in one half of the image does not arrive in the same half",
            ),
            (
                self._outside(self._steps.index(step)),
                "comes before the first block or belongs to class attention, where no map is to be read",
            ),
        )
        return next((reason for holds, reason in reasons if holds), None)

    def _outside(self, place: int) -> bool:
        first, last = self._blocks
        if place >= last:
            return True
        return first is not None and (place < first or any(map(EMBEDDING.search, self._steps[place].name.split("."))))

    def _find_blocks(self) -> tuple[int | None, int]:
        """Places of the first step inside a block, None without blocks, and of the first of class attention."""
        first, last = None, len(self._steps)
        for place, step in enumerate(self._steps):
            around = [*_parents(step.name), step.name]
            if any(self._is_class_attention(name) for name in around):
                last = place
                break
            embeds = any(map(EMBEDDING.search, step.name.split(".")))
            if first is None and not embeds and any(self._is_giving_block(name) for name in around[:-1]):
                first = place
        return first, last

    def _is_class_attention(self, name: str) -> bool:
        kind = type(self._modules[name]).__name__
        return bool(CLASS_ATTENTION.search(name.rpartition(".")[2]) or CLASS_ATTENTION.search(kind))

    def _is_giving_block(self, name: str) -> bool:
        return self._gives_map(name) and _is_block(self._modules[name])

    def _is_passage(self, name: str) -> bool:
        """Whether what is inside a module is on the trunk: a chain, or a wrapper around most of the classifier."""
        if _is_chain(self._modules[name]) or name in self.members:
            return True
        if name in self._given or name in self._others:
            first = self._blocks[0] or 0
            around_the_blocks = self._steps[first].name.startswith(f"{name}.")
            return not self._gives_map(name) and around_the_blocks and self._share(name) > 0.5
        return True

    def _gives_map(self, name: str) -> bool:
        return name in self._given and bool(self._given[name].agreements)

    def _share(self, name: str) -> float:
        """Of the classifier's weights."""
        own, all_of_them = (sum(p.numel() for p in m.parameters()) for m in (self._modules[name], self._model))
        return own / max(all_of_them, 1)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _is_chain(module: nn.Module) -> bool:
    """A container whose parts run one after the other, so that each part is a stage of the trunk."""
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _is_block(module: nn.Module) -> bool:
    """Several layers with weights that are more than a chain."""
    return not _is_chain(module) and len(_weighted(module)) > 1


def _weighted(module: nn.Module) -> Sequence[nn.Module]:
    own = [part for part in module.modules() if part is not module]
    return [part for part in own if part._parameters or part._buffers]
