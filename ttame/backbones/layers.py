"""Which layers to read when nobody names them, and which never."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ttame.backbones.layout import Layout
from ttame.backbones.probing import Step
from ttame.backbones.trunk import Trunk
from ttame.errors import TTameError, suggestion

PAPER_LAYERS = {
    "vgg16": ["features.16", "features.23", "features.30"],
    "resnet50": ["layer2", "layer3", "layer4"],
    "vit_b_16": [f"encoder.layers.encoder_layer_{block}.ln_1" for block in (9, 10, 11)],
}
"""Feature layers of the T-TAME paper, by torchvision name (IEEE Access 2024, section IV)."""

PAPER_TARGET_LAYERS = {
    "vgg16": "features.29",
    "resnet50": "layer4.2",
    "vit_b_16": "encoder.layers.encoder_layer_11.ln_1",
}
"""Target layers of the compared methods."""

FEATURE_LAYERS = 3


class NoLayers(TTameError):  # noqa: N818, it is what was found
    """The rule chooses no layers of a classifier.

    Attributes:
        trunk: of the classifier, whose layers a person may choose from.
        reason: why, without the way out.
    """

    def __init__(self, message: str, trunk: Trunk, reason: str) -> None:
        super().__init__(message)
        self.trunk, self.reason = trunk, reason


def choose_layers(trunk: Trunk, name: str) -> list[str]:
    """Feature layers by rule, in execution order; the gradient methods read the last of them.

    A transformer that states its tokens: the first LayerNorm of the last three blocks. Any other: the last map of each
    of the last three resolutions. Where there are fewer, and the maps are no CNN's: the last three blocks of the last
    resolution, or the first norms of the last three.

    Args:
        trunk: of the classifier.
        name: of the classifier in `models`.

    Returns:
        One to three names.

    Raises:
        NoLayers: when the rule finds nothing, would stop before maps that it cannot read, or would have to choose
            among the members of an ensemble.
    """
    chosen = [] if trunk.members else _by_rule(trunk)
    unreadable = trunk.unreadable_after(chosen[-1]) if chosen else None
    if chosen and unreadable is None:
        return chosen
    found = "found no feature maps by rule"
    if trunk.members:
        several = " and ".join(map(repr, trunk.members[:4]))
        found = f"{several} see the image side by side, and the rule does not know whose maps to read"
    elif chosen:
        found = f"the rule finds maps up to {chosen[-1]!r}, but {unreadable!r} after it does not lay the image out"
    able = [candidate.name for candidate in candidates(trunk)]
    last = [[layer for layer in able if layer.startswith(f"{member}.")][-3:] for member in trunk.members[:4]]
    shown = [layer for layers in last for layer in layers] or able[-6:]
    known = f"; layers that can be read are {', '.join(shown)}" if shown else ""
    message = (
        f"models.{name}: {found}; name some in models.{name}.layers and target_layer "
        f"(outputs of shape (B, C, h, w), (B, h, w, C) or (B, tokens, C)){known}"
    )
    raise NoLayers(message, trunk, found)


def _by_rule(trunk: Trunk) -> list[str]:
    usable = trunk.usable()
    norms = _first_norms(usable)
    if trunk.stated is not None and norms:
        return _names(norms)
    maps = _deciding_of_resolutions(trunk, [step for step in usable if trunk.holds(step)])
    if maps and (len(maps) >= FEATURE_LAYERS or _layout(maps[-1]).axes == "channels_first"):
        found = [maps, norms]
    else:
        grid = _layout(maps[-1]).grid if maps else None
        blocks = [step for step in usable if trunk.holds(step) and trunk.is_block(step) and _layout(step).grid == grid]
        found = sorted([maps, blocks, norms], key=lambda steps: -len(steps[-FEATURE_LAYERS:]))
    return next((names for steps in found if (names := _names(_that_decide(trunk, steps)))), [])


def _deciding_of_resolutions(trunk: Trunk, steps: Sequence[Step]) -> list[Step]:
    """The last map of each resolution that the logits depend on, from the finest to the coarsest."""
    while True:
        last = _last_of_resolutions(steps)
        idle = [step for step in last[-FEATURE_LAYERS:] if not trunk.decides(step)]
        if not idle:
            return last
        steps = [step for step in steps if step not in idle]


def _that_decide(trunk: Trunk, steps: list[Step]) -> list[Step]:
    """Without the last ones behind a class token's last attention, where positions decide nothing."""
    while steps and not trunk.decides(steps[-1]):
        steps = steps[:-1]
    return steps


def _names(steps: Sequence[Step]) -> list[str]:
    return [step.name for step in steps[-FEATURE_LAYERS:]]


def _last_of_resolutions(steps: Sequence[Step]) -> list[Step]:
    last: dict[tuple[int, int], Step] = {}
    for step in steps:
        grid = _layout(step).grid
        previous = last.get(grid)
        # A container ends with its last part: the same map, and the shorter name is the better one.
        if previous and previous.memory == step.memory and not previous.name.startswith(f"{step.name}."):
            continue
        # A CNN's map counts, not what its head makes of it.
        if previous and _layout(previous).axes == "channels_first" and _layout(step).axes != "channels_first":
            continue
        last[grid] = step
    return sorted(last.values(), key=lambda step: -_layout(step).grid[0])


def _first_norms(usable: Sequence[Step]) -> list[Step]:
    """The norm before the attention of every block."""
    norms: dict[str, list[Step]] = defaultdict(list)
    for step in usable:
        if isinstance(step.module, nn.LayerNorm | nn.RMSNorm) and len(step.shape) == 3:
            norms[step.name.rpartition(".")[0]].append(step)
    # A block has a norm before its attention and one before its MLP; those at the top open and close the network.
    return [steps[0] for block, steps in norms.items() if block and len(steps) >= 2]


def _layout(step: Step) -> Layout:
    assert step.layout is not None
    return step.layout


@dataclass(frozen=True)
class Candidate:
    """A layer that maps can be made from, its kind, the shape of its output for one image, and how to read it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: Layout


def candidates(trunk: Trunk) -> list[Candidate]:
    """The layers that can be feature layers, in execution order: those of the trunk, and the norms in the blocks."""
    norms = {step.name for step in _first_norms(trunk.usable())}
    return [
        Candidate(step.name, type(step.module).__name__, step.shape[1:], _layout(step))
        for step in trunk.usable()
        if trunk.holds(step) or step.name in norms
    ]


def find_layer(model: nn.Module, layer: str, name: str, trunk: Trunk | None = None) -> nn.Module:
    """The module called `layer`.

    Raises:
        TTameError: with near matches, else with the layers that can be read where the trunk tells them, when the model
            has none of that name.
    """
    modules = dict(model.named_modules())
    if layer not in modules or not layer:
        able = [] if trunk is None else [candidate.name for candidate in candidates(trunk)]
        known = f"layers that can be read are {', '.join(able[-6:])}" if able else ""
        top_level = f"its top-level layers are {', '.join(child for child, _ in model.named_children())}"
        hint = suggestion(layer, modules) or f"; {known or top_level}"
        raise TTameError(f"models.{name}: no layer called {layer!r}{hint}")
    return modules[layer]
