from __future__ import annotations

import copy
from typing import Any

import timm
import torch
from torch import nn

from ttame.backbones.freezing import FrozenBatchNorm, freeze_batch_norms


def _with_statistics(model: nn.Module) -> Any:
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


def test_same_logits_and_gradient_on_a_real_network() -> None:
    model = _with_statistics(timm.create_model("tf_efficientnet_lite0", num_classes=7)).double()
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    logits = model(images)
    (gradient,) = torch.autograd.grad(logits[:, 3].sum(), images)
    names = [name for name, _ in model.named_modules() if "bn" in name and "." not in name.rpartition("bn")[2]]
    freeze_batch_norms(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert set(names) <= {name for name, _ in model.named_modules()}
    frozen = model(images)
    torch.testing.assert_close(frozen, logits)
    torch.testing.assert_close(torch.autograd.grad(frozen[:, 3].sum(), images)[0], gradient)


def test_a_users_norm_that_is_called_as_timms_stays() -> None:
    class BatchNormAct2d(nn.BatchNorm2d):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return super().forward(maps).sin()

    norm: Any = _with_statistics(nn.Sequential(BatchNormAct2d(4)))
    freeze_batch_norms(norm)
    assert isinstance(norm[0], BatchNormAct2d)


def test_norm_without_parameters() -> None:
    norm: Any = _with_statistics(nn.Sequential(nn.BatchNorm2d(4, affine=False)))
    maps = torch.randn(2, 4, 3, 3)
    expected = norm(maps)
    freeze_batch_norms(norm)
    assert isinstance(norm[0], FrozenBatchNorm)
    torch.testing.assert_close(norm(maps), expected)


def test_half_precision_stays_half() -> None:
    for kind in (torch.bfloat16, torch.float16):
        norm: Any = _with_statistics(nn.Sequential(nn.BatchNorm2d(4)))
        freeze_batch_norms(norm)
        assert norm(torch.randn(2, 4, 3, 3).to(kind)).dtype == kind


def test_statistics_that_change_are_seen() -> None:
    norm: Any = _with_statistics(nn.Sequential(nn.BatchNorm2d(4)))
    freeze_batch_norms(norm)
    maps = torch.randn(2, 4, 3, 3)
    before = norm(maps)
    copied = copy.deepcopy(norm)
    norm[0].running_mean += 1.0
    expected = before - (norm[0].weight * (norm[0].running_var + norm[0].eps).rsqrt()).view(1, -1, 1, 1)
    torch.testing.assert_close(norm(maps), expected)
    assert torch.equal(copied(maps), before)
    norm.load_state_dict(copied.state_dict())
    assert torch.equal(norm(maps), before)
    torch.testing.assert_close(norm.double()(maps.double()), before.double())
    assert norm(maps.double()).dtype == torch.float64


def test_torch_compile_takes_a_network_in_one_piece() -> None:
    """As it takes PyTorch's own batch norm; a piece for every layer made ResNet-50 forty times slower on a GPU."""
    model = _with_statistics(nn.Sequential(*(nn.BatchNorm2d(4) for _ in range(12))))
    freeze_batch_norms(model)
    pieces = []

    def counted(graph: Any, inputs: Any) -> Any:
        pieces.append(graph)
        return graph.forward

    torch.compiler.reset()
    maps = torch.randn(2, 4, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model, backend=counted)(maps), model(maps))
    assert len(pieces) == 1
