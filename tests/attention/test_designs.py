from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ttame.attention.checkpoint import chosen_layers, make_network
from ttame.attention.designs import DESIGNS, start_at
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.published import DESIGNS_BY_VERSION
from ttame.attention.transformer_mechanism import maps_to_tokens
from ttame.backbones.tokens import TokenLayout
from ttame.errors import TTameError

CNN = {name: design for name, design in DESIGNS_BY_VERSION.items() if "skip" in design or "sigmoid" in design}
TOKENS = {name: design for name, design in DESIGNS_BY_VERSION.items() if "tattention" in design and "v3" not in design}


def _load(network: nn.Module, arrays: dict[str, Tensor], case: str) -> nn.Module:
    prefix = f"{case}.param."
    state = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    # As published, TAttention V3 keeps a second norm per branch that nothing uses.
    network.load_state_dict({key: value for key, value in state.items() if not key.startswith("lns_2.")})
    return network


def _check(network: nn.Module, features: list[Tensor], arrays: dict[str, Tensor], case: str) -> None:
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        maps = network.to(dtype)([feature.to(dtype) for feature in features]).double()
        torch.testing.assert_close(maps, arrays[f"{case}.c"], atol=tolerance, rtol=0)
        torch.testing.assert_close(maps.sigmoid(), arrays[f"{case}.a"], atol=tolerance, rtol=0)


@pytest.mark.parametrize("variant", CNN)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_cnn(golden, variant, mode) -> None:
    arrays = golden("attention_ablation")
    network = _load(DESIGNS[CNN[variant]]((6, 8, 10), 7, None), arrays, variant).train(mode == "train")
    _check(network, [arrays[f"{variant}.in.{index}"] for index in range(3)], arrays, f"{variant}.{mode}")


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_golden_volumes(golden, mode) -> None:
    arrays = golden("attention_ablation")
    network = _load(AttentionMechanism((4, 6), 5, volumes=True), arrays, "3D-TAME").train(mode == "train")
    _check(network, [arrays[f"3D-TAME.in.{index}"] for index in range(2)], arrays, f"3D-TAME.{mode}")


@pytest.mark.parametrize("variant", TOKENS)
def test_golden_token_attention(golden, variant) -> None:
    arrays = golden("attention_ablation")
    network = _load(DESIGNS[TOKENS[variant]]((24, 24, 24), 7, TokenLayout(1, (14, 14))), arrays, variant).eval()
    _check(network, [arrays[f"TAttentionV1.in.{index}"] for index in range(3)], arrays, f"{variant}.eval")


@pytest.mark.parametrize(("case", "layout"), [("TAttentionV3", TokenLayout(1, (4, 4))), ("TAttentionV3_cnn", None)])
def test_golden_block_attention(golden, case, layout) -> None:
    arrays = golden("attention_ablation")
    network = _load(DESIGNS["tattention_v3"]((64, 128), 7, layout), arrays, "TAttentionV3").eval()
    _check(network, [arrays[f"{case}.in.{index}"] for index in range(2)], arrays, f"{case}.eval")


def test_golden_sequence_of_a_map(golden) -> None:
    arrays = golden("attention_ttame")
    assert torch.equal(maps_to_tokens(arrays["seq.in"]), arrays["seq.out"])


@pytest.mark.parametrize("design", sorted(set(DESIGNS) - {"lcam"}))
def test_asking_for_some_classes_gives_those_of_all(design) -> None:
    torch.manual_seed(0)
    layout = TokenLayout(1, (3, 4))
    network = DESIGNS[design]((24, 24), 6, layout).eval()
    features = [torch.randn(2, 13, 24), torch.randn(2, 13, 24)]
    everything = network(features)
    assert everything.shape == (2, 6, 3, 4)
    torch.testing.assert_close(network(features, torch.tensor([4, 0])), everything[:, [4, 0]])
    own = network(features, torch.tensor([[1], [5]]))
    torch.testing.assert_close(own[:, 0], torch.stack([everything[0, 1], everything[1, 5]]))


def test_lcam_is_one_convolution(tiny_cnn) -> None:
    torch.manual_seed(0)
    network = make_network(tiny_cnn, "lcam", chosen_layers(tiny_cnn, [-1]))
    feature = torch.randn(2, 16, 4, 4)
    assert [parameter.numel() for parameter in network.parameters()] == [16 * 5, 5]
    expected = nn.functional.conv2d(feature, network.fuser.weight, network.fuser.bias)  # type: ignore[arg-type, union-attr]
    torch.testing.assert_close(network([feature]), expected)


def test_feature_layers_are_chosen_by_their_places(tiny_cnn) -> None:
    layers = list(tiny_cnn.layers)
    assert chosen_layers(tiny_cnn, "all") == layers
    assert chosen_layers(tiny_cnn, [-1, 0]) == [layers[0], layers[-1]]
    with pytest.raises(TTameError, match=r"has 3 feature layers and none at 3; expected 0 to 2"):
        chosen_layers(tiny_cnn, [3])


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("lcam", "reads one feature layer and was given 3"),
        ("tattention_v1", "on a CNN use tattention_v3"),
    ],
)
def test_design_that_does_not_fit_says_why(design, message, tiny_cnn) -> None:
    with pytest.raises(TTameError, match=message):
        make_network(tiny_cnn, design, tiny_cnn.layers)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(TTameError, match="12 heads, which do not divide the width 20"):
        DESIGNS["tattention_v2"]((24, 20), 3, TokenLayout(1, (2, 2)))
    with pytest.raises(TTameError, match="do not divide the width 129"):
        DESIGNS["tattention_v3"]((129,), 3, None)


@pytest.mark.parametrize("design", sorted(DESIGNS))
def test_start_sets_the_level_of_every_map(design) -> None:
    channels = (24,) if design == "lcam" else (24, 24)
    network = DESIGNS[design](channels, 3, TokenLayout(1, (2, 2))).eval()
    features = [torch.randn(1, 5, 24) for _ in channels]
    start_at(network, 0.0)
    low = network(features)
    start_at(network, 7.0)
    torch.testing.assert_close(network(features), low + 7.0)
