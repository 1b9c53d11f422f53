"""What a method does to a classifier is undone when it ends, also when it raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.explainers.explainer import Explainer
from ttame.explainers.learned import Learned
from ttame.explainers.registry import EXPLAINERS

from .any_method import PAIRS, batch_for, make_method


def _classifiers(backbone: Backbone, explainer: Explainer) -> list[Backbone]:
    """The explained one, and the auxiliary one that P-TAME runs instead."""
    auxiliary = explainer._trained.auxiliary if isinstance(explainer, Learned) else None
    return [backbone] if auxiliary is None else [backbone, auxiliary.classifier]


def _keep_own_forward(backbone: Backbone) -> None:
    """As of a user who replaced the forward of one module: it is still there afterwards."""
    head = [module for module in backbone.modules() if isinstance(module, nn.Linear)][-1]
    own = head.forward
    head.__dict__["forward"] = own


def _state(backbone: Backbone, explainer: Explainer) -> list[Any]:
    """What a method might leave changed on the classifiers."""
    found: list[Any] = []
    for classifier in _classifiers(backbone, explainer):
        for module in classifier.modules():
            hooks = [module._forward_hooks, module._forward_pre_hooks, module._backward_hooks]
            own = module.__dict__.get("forward"), module.__dict__.get("fused_attn")
            found.append((*[len(registered) for registered in hooks], *own, module.training))
        found += [(parameter.requires_grad, parameter.grad) for parameter in classifier.parameters()]
    return found


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_two_runs_are_identical_and_leave_nothing_behind(name, method, request, tmp_path) -> None:
    backbone = request.getfixturevalue(f"tiny_{name}")
    explainer = make_method(method, backbone, tmp_path)
    images, targets, samples = batch_for(backbone)
    _keep_own_forward(backbone)
    before = _state(backbone, explainer)
    first, second = explainer(images, targets, samples), explainer(images, targets, samples)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert _state(backbone, explainer) == before


@pytest.mark.parametrize(("name", "method"), [pair for pair in PAIRS if EXPLAINERS[pair[1]].kind != "control"])
def test_nothing_stays_behind_when_a_method_raises(name, method, request, tmp_path, monkeypatch) -> None:
    backbone = request.getfixturevalue(f"tiny_{name}")
    explainer = make_method(method, backbone, tmp_path)
    images, targets, samples = batch_for(backbone)
    before = _state(backbone, explainer)

    # The head, after every hook has run; the first linear layer of a transformer is in its first block.
    classifier = _classifiers(backbone, explainer)[-1]
    head = [module for module in classifier.modules() if isinstance(module, nn.Linear)][-1]

    def forward(module: nn.Linear, inputs: Tensor) -> Tensor:
        if module is head:
            raise ZeroDivisionError
        return functional.linear(inputs, module.weight, module.bias)

    with monkeypatch.context() as patched:
        patched.setattr(nn.Linear, "forward", forward)
        with pytest.raises(ZeroDivisionError):
            explainer(images, targets, samples)
    assert _state(backbone, explainer) == before
