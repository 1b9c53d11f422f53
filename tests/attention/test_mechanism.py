from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.tokens import TokenLayout


def _load(arrays: dict[str, Tensor], prefix: str, network: AttentionMechanism) -> AttentionMechanism:
    state = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    network.load_state_dict({key.removeprefix("1."): value for key, value in state.items()})
    return network


@pytest.mark.parametrize(
    ("case", "channels", "classes"), [("cnn", (8, 16, 24), 10), ("cap56", (3, 4, 5), 3)], ids=["cnn", "cap56"]
)
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_golden_cnn(golden, case, channels, classes, mode, dtype) -> None:
    arrays = golden("attention_ttame")
    network = _load(arrays, f"{case}.param.", AttentionMechanism(channels, classes)).to(dtype)
    network.train(mode == "train")
    features = [arrays[f"{case}.in.{index}"].to(dtype) for index in range(3)]
    maps = network(features).double()
    tolerance = 1e-10 if dtype == torch.float64 else (1e-4 if case == "cap56" else 5e-6)
    torch.testing.assert_close(maps, arrays[f"{case}.{mode}.c"], atol=tolerance, rtol=0)
    torch.testing.assert_close(maps.sigmoid(), arrays[f"{case}.{mode}.a"], atol=tolerance / 5, rtol=0)
    if mode == "train":
        for key, value in network.state_dict().items():
            if "running" in key:
                expected = arrays[f"{case}.train.after.{key}"]
                torch.testing.assert_close(value.double(), expected.double(), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("version", ["TAME", "TTAME"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_vit(golden, version, mode) -> None:
    arrays = golden("attention_ttame")
    network = AttentionMechanism((12, 12, 12), 10, TokenLayout(1, (14, 14)), version)
    network = _load(arrays, "vit.param.", network).double().train(mode == "train")
    maps = network([arrays[f"vit.in.{index}"].double() for index in range(3)])
    torch.testing.assert_close(maps, arrays[f"vit.{version}.{mode}.c"], atol=1e-10, rtol=0)
    torch.testing.assert_close(maps.sigmoid(), arrays[f"vit.{version}.{mode}.a"], atol=1e-10, rtol=0)


def _published_order(network: AttentionMechanism, features: list[Tensor]) -> Tensor:
    """The mechanism as the paper draws it: resize the branches, concatenate, fuse to all classes."""
    size = features[0].shape[2:]
    branches = []
    for feature, conv, norm in zip(features, network.convs, network.bns, strict=True):
        branch = functional.relu(norm(conv(feature)) + feature)
        branches.append(functional.interpolate(branch, size, mode="bilinear", align_corners=False))
    return nn.functional.conv2d(torch.cat(branches, 1), network.fuser.weight, network.fuser.bias)


@pytest.fixture
def network_and_features() -> tuple[AttentionMechanism, list[Tensor]]:
    torch.manual_seed(1)
    network = AttentionMechanism((4, 6, 9, 3), 7).double()
    features = [torch.randn(3, c, s, s).double() for c, s in ((4, 20), (6, 20), (9, 10), (3, 5))]
    return network, features


def test_fusing_before_resizing_is_the_same_function(network_and_features) -> None:
    network, features = network_and_features
    torch.testing.assert_close(network(features), _published_order(network, features))


def test_asking_for_some_classes_gives_those_of_all(network_and_features) -> None:
    network, features = network_and_features
    everything = network(features)
    shared = torch.tensor([5, 0, 5])
    torch.testing.assert_close(network(features, shared), everything[:, shared])
    own = torch.tensor([[1, 2], [6, 6], [0, 3]])
    expected = torch.stack([maps[classes] for maps, classes in zip(everything, own, strict=True)])
    torch.testing.assert_close(network(features, own), expected)


def test_gradient_reaches_only_the_rows_that_were_used(network_and_features) -> None:
    network, features = network_and_features
    network(features, torch.tensor([2, 4])).sum().backward()
    touched = network.fuser.weight.grad.abs().sum((1, 2, 3)) > 0
    assert touched.tolist() == [index in (2, 4) for index in range(7)]
