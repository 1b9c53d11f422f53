"""What the modules of a classifier give, and where in it the halves of an image arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.hooks import hooked
from ttame.backbones.layout import Layout, possible_layouts
from ttame.backbones.tokens import TokenLayout

LEAST_AGREEMENT = 0.5
"""Of the halves of the image and of the map. A wrong order of positions gives 0.1 or less (Hiera's tokens before its
last stage); the last layers of some ninety architectures, with random weights, give 0.64 and more."""
LEAST_SPREAD = 0.1
"""Standard deviation over the positions of which image they are nearer to, in [-1, 1]. Below it every position has seen
the whole image, whatever their order: MobileNets on a grid of 2 x 2 and LeViT with random weights give 0.05 and less,
wrong orders 0.5 and more."""
LEAST_DIFFERENCE = 1e-5
"""Of two images, relative to one of them; below it rounding decides."""
CELLS = 16
"""Cells a side of the coarse part of the probing images."""


@dataclass(frozen=True)
class Step:
    """A module that gave a tensor, in the order in which they finish.

    Attributes:
        name: of the module.
        module: itself.
        shape: of its output for one image.
        memory: equal for modules that, one after the other, gave the same tensor: a container and its last part.
        constant: whether all images gave exactly the same.
        agreements: for every layout that the shape allows, whether the halves of an image joined of two others are
            those of the map: a correlation in [-1, 1], the smaller of side by side and one above the other. None where
            all images or all positions give the same (small grids, random weights), so that it cannot be asked.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    memory: int
    agreements: Mapping[Layout, float | None]
    constant: bool = False

    @property
    def layout(self) -> Layout | None:
        """The first in which the halves are the image's, else the first that cannot be asked, else None."""
        agreed = [layout for layout, found in self.agreements.items() if found is not None and found >= LEAST_AGREEMENT]
        unknown = [layout for layout, found in self.agreements.items() if found is None]
        return next(iter([*agreed, *unknown]), None)


@torch.no_grad()
def probe(
    model: nn.Module, input_size: tuple[int, int], stated: TokenLayout | None, pairs: int = 1
) -> tuple[list[Step], dict[str, str]]:
    """Run two images and two joined of their halves, and note what every module gives.

    Args:
        model: the classifier, in eval mode.
        input_size: (H, W).
        stated: what the model says of its tokens.
        pairs: of images to average over, one after the other.

    Returns:
        A step for every call that gave a tensor, and by module the kind of what others gave.
    """
    given: list[_Given] = []
    others: dict[str, str] = {}
    kept = torch.empty(0)
    calls = 0

    def note(name: str, module: nn.Module, output: object) -> None:
        nonlocal kept, calls
        if not isinstance(output, Tensor):
            others[name] = type(output).__name__
            return
        if calls == len(given):
            same = bool(given) and output.data_ptr() == kept.data_ptr()
            given.append(_Given(name, module, (1, *output.shape[1:]), given[-1].memory if same else calls))
            kept = output  # alive, so that the next output cannot get its address
        of_images = output.ndim > 1 and len(output) == len(images)
        for layout in possible_layouts(tuple(output.shape), input_size, stated) if of_images else []:
            given[calls].nearer.setdefault(layout, []).append(_nearer_to_second(layout.to_maps(output)))
        given[calls].constant &= of_images and torch.equal(output[:1].expand_as(output), output)
        calls += 1

    def noting(name: str) -> Callable[[nn.Module, object, object], None]:
        return lambda module, _, output: note(name, module, output)

    with hooked(module.register_forward_hook(noting(name)) for name, module in model.named_modules() if name):
        for pair in range(pairs):
            calls = 0
            images = probing_images(input_size, like=model, seed=pair)
            model(images)
    return [call.step() for call in given], others


@dataclass
class _Given:
    """What a call of a module gave, and for every layout and pair of images what `_nearer_to_second` says of it."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    memory: int
    nearer: dict[Layout, list[tuple[Tensor, Tensor] | None]] = field(default_factory=dict)
    constant: bool = True

    def step(self) -> Step:
        agreements = {layout: _agreement(found) for layout, found in self.nearer.items()}
        return Step(self.name, self.module, self.shape, self.memory, agreements, self.constant)


def probing_images(input_size: tuple[int, int], like: nn.Module, seed: int = 0) -> Tensor:
    """(4, 3, H, W): two images of noise, one of their left and right halves, and one of their upper and lower halves.

    Args:
        input_size: (H, W).
        like: the classifier, whose device and precision they have.
        seed: of the noise.
    """
    drawn: dict[str, Any] = {"generator": torch.Generator().manual_seed(seed), "device": "cpu"}
    coarse = torch.randn(2, 3, CELLS, CELLS, **drawn)
    first, second = functional.interpolate(coarse, input_size) + 0.5 * torch.randn(2, 3, *input_size, **drawn)
    rows, columns = input_size
    beside, below = first.clone(), first.clone()
    beside[..., columns // 2 :] = second[..., columns // 2 :]
    below[:, rows // 2 :] = second[:, rows // 2 :]
    images = torch.stack([first, second, beside, below])
    return images.to(next(like.parameters(), images))


def _nearer_to_second(maps: Tensor) -> tuple[Tensor, Tensor] | None:
    """For both joined images, the second on its side, (h, w) and (w, h) in [-1, 1]: which part a position is nearer to.

    Args:
        maps: (4, C, h, w) of the probing images.

    Returns:
        1 where it is the second image's, -1 where it is the first's; None when all images give the same.
    """
    first, second, beside, below = maps
    if (first - second).norm() < LEAST_DIFFERENCE * first.norm():
        return None
    across, down = _nearer(beside, first, second), _nearer(below, first, second)
    return across, down.T


def _nearer(joined: Tensor, first: Tensor, second: Tensor) -> Tensor:
    from_first, from_second = ((joined - other).norm(dim=0).double() for other in (first, second))
    return (from_first - from_second) / (from_first + from_second).clamp_min(torch.finfo(torch.float64).tiny)


def _agreement(found: Sequence[tuple[Tensor, Tensor] | None]) -> float | None:
    """The smaller correlation, over the two joined images, between a position's side and the image it is nearer to."""
    told = [pair for pair in found if pair is not None]
    of_halves = [_of_halves(torch.stack(maps).mean(0)) for maps in zip(*told, strict=True)]
    return min((agreed for agreed in of_halves if agreed is not None), default=None)


def _of_halves(nearer: Tensor) -> float | None:
    half = nearer.shape[1] // 2
    nearer = torch.cat([nearer[:, :half], nearer[:, -half:]], dim=1)
    side = torch.ones_like(nearer)
    side[:, :half] = -1
    centred = nearer - nearer.mean()
    spread = centred.square().mean().sqrt()
    return None if spread < LEAST_SPREAD else ((centred * side).mean() / spread).item()
