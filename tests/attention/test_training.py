from __future__ import annotations

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ttame.attention.checkpoint import make_network
from ttame.attention.designs import DESIGNS, start_at
from ttame.attention.masking import mask_features
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.params.attention import LossSettings

from ..conftest import IMAGENET
from .recipe import LOSS, RECIPE


class GoldenBody(nn.Module):
    """The classifier that the steps in `generic_step` were taken with."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Conv2d(3, 6, 7, 4, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.l2 = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.l3 = nn.Sequential(nn.Conv2d(8, 10, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(10, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.l3(self.l2(self.l1(images))).mean((2, 3)))


@pytest.mark.parametrize("policy", ["raw_normalize", "new"])
def test_golden_three_steps(golden, policy) -> None:
    arrays = golden("generic_step")

    def part(prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}

    body = GoldenBody()
    body.load_state_dict(part("body."))
    preprocessing = Preprocessing((224, 224), 224, "bilinear", *IMAGENET)
    backbone = Backbone("golden", body, preprocessing, ["l1", "l2", "l3"], "l3").double()
    network = AttentionMechanism((6, 8, 10), 5)
    network.load_state_dict(part("am."))
    loss = LossSettings(input_policy=policy)
    training = AttentionTraining(backbone, network.double().train(), backbone.layers, loss, RECIPE, 0.1, total_steps=10)
    images = arrays["lowres_images"].double().repeat_interleave(16, 2).repeat_interleave(16, 3)
    case = f"{policy}.train.bodyeval"
    for step in range(3):
        rate, momentum = (training.optimiser.param_groups[0][key] for key in ("lr", "momentum"))
        assert rate == pytest.approx(arrays[f"{case}.lr"][step].item(), rel=1e-8)
        assert momentum == pytest.approx(arrays[f"{case}.momentum"][step].item(), rel=1e-8)
        result = training.step(images)
        assert torch.equal(result.labels, arrays[f"{policy}.eval.labels"])
        losses = torch.stack([term.detach() for term in result.loss])
        torch.testing.assert_close(losses, arrays[f"{case}.losses"][step], rtol=1e-8, atol=0)
        if step == 0:
            for name, parameter in network.named_parameters():
                expected = arrays[f"{case}.step0.grad.{name}"]
                torch.testing.assert_close(parameter.grad, expected, rtol=1e-8, atol=1e-10)
    for name, value in part(f"{case}.after3.am.").items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-8, atol=1e-10)


def _training(backbone: Backbone, rate: float = 0.05) -> AttentionTraining:
    torch.manual_seed(1)
    network = AttentionMechanism((8, 12, 16), 5)
    return AttentionTraining(backbone, network, backbone.layers, LOSS, RECIPE, rate, total_steps=3 * 4)


def test_broken_state_file_is_ignored(tiny_cnn, tmp_path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"not a state")
    training = _training(tiny_cnn)
    training.resume(path)
    assert training.epoch == 0


def test_loss_that_is_not_finite_names_step_and_images_and_changes_nothing(tiny_cnn) -> None:
    training = _training(tiny_cnn)
    training.step(torch.rand(4, 3, 32, 32))
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items() if "bns" not in name}
    broken = torch.rand(4, 3, 32, 32)
    broken[2] = torch.nan
    with pytest.raises(TTameError, match=r"nan in batch 2 of epoch 1 \(a, b, c and 1 more\).*lower the learning_rate"):
        training.step(broken, ["a", "b", "c", "d"])
    assert all(torch.equal(training.network.state_dict()[name], tensor) for name, tensor in before.items())


def test_accumulated_batches_are_one_large_batch(tiny_cnn) -> None:
    """L-CAM has no batch norm, and the diagonal mode compares no pairs, so the two are the same function."""
    images = torch.rand(8, 3, 32, 32)
    loss = LOSS.model_copy(update={"masking": "diagonal"})
    layers = tiny_cnn.layers[-1:]
    weights = []
    for batches in (1, 2):
        torch.manual_seed(1)
        network = make_network(tiny_cnn, "lcam", layers)
        recipe = RECIPE.model_copy(update={"accumulate": batches})
        training = AttentionTraining(tiny_cnn, network, layers, loss, recipe, 0.05, 10)
        for _ in range(3):
            for part in images.chunk(batches):
                training.step(part)
        weights.append(network.state_dict()["fuser.weight"].clone())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=1e-5)


def test_mixed_precision_keeps_the_area_of_nearly_closed_masks(tiny_cnn) -> None:
    found = []
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(1)
        network = make_network(tiny_cnn, "ttame", tiny_cnn.layers).train()
        start_at(network, -9.0)
        processes = Fabric(accelerator="cpu", devices=1, precision=precision)
        layers = tiny_cnn.layers
        training = AttentionTraining(tiny_cnn, network, layers, LOSS, RECIPE, 1e-6, 10, processes=processes)
        images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
        result = training.step(images)
        assert result.loss.area.dtype == torch.float32
        slope = dict(network.named_parameters())["fuser.bias"].grad
        assert slope is not None
        found.append((result.loss.area.item(), slope.sum().item()))
    (area, pull), (mixed_area, mixed_pull) = found
    assert mixed_area == pytest.approx(area, rel=0.01)
    assert mixed_pull == pytest.approx(pull, rel=0.05)


@pytest.mark.parametrize("name", ["tiny_cnn", "tiny_vit"])
def test_features_times_an_open_mask_give_the_clean_logits(name, request) -> None:
    backbone: Backbone = request.getfixturevalue(name)
    images = torch.randn(3, 3, *backbone.preprocessing.input_size)
    recording = backbone.record(images, backbone.layers[-1])
    open_masks = mask_features(recording.activation, torch.ones(3, 1, 4, 4), backbone)
    torch.testing.assert_close(recording.rerun(open_masks), backbone(images), atol=1e-5, rtol=1e-5)
    closed = mask_features(recording.activation, torch.zeros(3, 1, 4, 4), backbone)
    prefix = backbone.tokens.prefix_tokens if backbone.tokens else 0
    kept = closed[:, :prefix] if backbone.tokens else closed.new_zeros(0)
    assert closed.count_nonzero() == kept.count_nonzero()


@pytest.mark.parametrize("masks", ["image", "features"])
@pytest.mark.parametrize("name", ["tiny_cnn", "tiny_vit"])
@pytest.mark.parametrize("design", ["lcam", "ttame"])
def test_a_step_lowers_the_loss_and_trains_the_mechanism_alone(design, name, masks, request) -> None:
    backbone: Backbone = request.getfixturevalue(name)
    torch.manual_seed(2)
    layers = backbone.layers[-1:]
    network = make_network(backbone, design, layers)
    training = AttentionTraining(backbone, network.train(), layers, LOSS, RECIPE, 0.02, 1000, masks=masks)
    images = torch.rand(4, 3, *backbone.preprocessing.input_size)
    losses = [training.step(images).loss.total.item() for _ in range(30)]
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize("design", sorted(DESIGNS))
def test_every_design_trains_on_a_transformer(design) -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    # Twelve heads have to divide the width.
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4, num_classes=5)
    backbone = Backbone("vit", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    layers = backbone.layers[-1:] if design == "lcam" else backbone.layers
    network = make_network(backbone, design, layers).train()
    training = AttentionTraining(backbone, network, layers, LOSS, RECIPE, 0.02, 1000)
    images = torch.rand(4, 3, 32, 32)
    first = training.step(images).loss.total.item()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert [training.step(images).loss.total.item() for _ in range(20)][-1] < first
