from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ttame.attention.doubling import DoublingMechanism, doublings
from ttame.attention.mechanism import AttentionMechanism


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-6)])
def test_golden(golden, dtype, tolerance) -> None:
    arrays = golden("ptame")
    network = DoublingMechanism((6, 8, 10, 12), 7)
    state = {name.removeprefix("param."): value for name, value in arrays.items() if name.startswith("param.")}
    counts = {name: torch.tensor(0) for name in network.state_dict() if name.endswith("num_batches_tracked")}
    network.load_state_dict(state | counts)
    features = [arrays[f"features.{index}"].to(dtype) for index in range(4)]
    maps = network.to(dtype).eval()(features)
    torch.testing.assert_close(maps.float(), arrays["raw"], atol=tolerance, rtol=0)


@pytest.fixture
def network_and_features() -> tuple[DoublingMechanism, list[Tensor]]:
    torch.manual_seed(1)
    network = DoublingMechanism((4, 6, 9), 7).double()
    return network, [torch.randn(3, c, *size).double() for c, size in ((4, (64, 48)), (6, (32, 24)), (9, (8, 6)))]


def test_the_branches_are_doubled_and_fused_as_the_paper_draws_it(network_and_features) -> None:
    network, features = network_and_features
    branches = []
    for feature, conv, norm in zip(features, network.convs, network.bns, strict=True):
        branch = functional.relu(norm(conv(feature)) + feature)
        while branch.shape[2] < 64:
            size = (2 * branch.shape[2], 2 * branch.shape[3])
            branch = functional.interpolate(branch, size, mode="bilinear", align_corners=False)
        branches.append(branch)
    expected = functional.conv2d(torch.cat(branches, 1), network.fuser.weight, network.fuser.bias)
    assert expected.shape == (3, 7, 64, 48), "no limit of 56"
    torch.testing.assert_close(network(features), expected)
    own = torch.tensor([[1], [6], [0]])
    torch.testing.assert_close(network(features, own)[:, 0], expected[torch.arange(3), own[:, 0]])


def test_doubling_three_times_is_another_function_than_one_resize(network_and_features) -> None:
    network, features = network_and_features
    halved = [functional.avg_pool2d(feature, 2) for feature in features]  # TAME's limit of 56 plays no part
    resized = AttentionMechanism((4, 6, 9), 7).double()
    resized.load_state_dict(network.state_dict())
    doubled = network.eval()(halved)
    assert (doubled - resized.eval()(halved)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("size", "target", "count"),
    [
        ((7, 7), (56, 56), 3),
        ((56, 56), (56, 56), 0),
        ((4, 6), (8, 12), 1),
        ((7, 7), (55, 55), None),
        ((3, 3), (9, 9), None),
        ((56, 56), (28, 28), None),
        ((4, 6), (16, 12), None),
    ],
)
def test_number_of_doublings(size, target, count) -> None:
    if count is None:
        with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} is not brought to {target[0]} x {target[1]}"):
            doublings(size, target)
    else:
        assert doublings(size, target) == count
