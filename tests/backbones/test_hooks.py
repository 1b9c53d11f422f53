from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import nn
from torch.utils.hooks import RemovableHandle

from ttame.backbones.hooks import hooked


def test_hooks_are_gone_after_the_block_and_after_an_error_in_it_or_in_their_making() -> None:
    module = nn.Identity()

    def handles(fails: bool) -> Iterator[RemovableHandle]:
        yield module.register_forward_hook(lambda *_: None)
        if fails:
            raise RuntimeError("while they are made")
        yield module.register_forward_pre_hook(lambda *_: None)

    with hooked(handles(fails=False)):
        assert (len(module._forward_hooks), len(module._forward_pre_hooks)) == (1, 1)
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    for fails, said in ((True, "while they are made"), (False, "inside")):
        with pytest.raises(RuntimeError, match=said), hooked(handles(fails)):
            raise RuntimeError("inside")
        assert not module._forward_hooks
