"""The blocks of a transformer, found around its attention, and their outputs, read and replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from torch import Tensor, nn

from ttame.backbones.hooks import hooked


def block_names(attention: Sequence[str]) -> list[str] | None:
    """The names of the blocks, of those of their attention modules: `blocks.3` of `blocks.3.attn`.

    Blocks stand in one container, so their names end where those of the attention modules differ first.

    Returns:
        As many names, or None when two layers are in one block.
    """
    if len(attention) == 1:
        return [attention[0].rpartition(".")[0]]
    paths = [name.split(".") for name in attention]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    length = len(list(shared)) + 1
    names = [".".join(path[:length]) for path in paths]
    return names if len(set(names)) == len(names) else None


@contextmanager
def rewritten(model: nn.Module, modules: Sequence[str], change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Each module gives its number and its output, of a tuple the first, to `change` and goes on with what returns."""

    def hook(number: int) -> Callable[..., Any]:
        def rewrite(_: nn.Module, __: object, output: Any) -> Any:
            if isinstance(output, tuple):
                return change(number, output[0]), *output[1:]
            return change(number, output)

        return rewrite

    with hooked(model.get_submodule(name).register_forward_hook(hook(n)) for n, name in enumerate(modules)):
        yield
