from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from ttame.attention.checkpoint import load_checkpoint, make_network
from ttame.attention.published import UNKNOWN_COUNT, import_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.cli.main import main
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.params.settings import ModelSettings
from ttame.report.cost_table import write_cost_tables

from ..conftest import IMAGENET, SHARED, TinyCNN


class ThreeMaps(nn.Module):
    """Feature layers that the golden mechanisms read, 8 x 28 x 28, 16 x 14 x 14 and 24 x 7 x 7, and ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8))
        self.l2 = nn.Conv2d(8, 16, 2, 2)
        self.l3 = nn.Conv2d(16, 24, 2, 2)
        self.fc = nn.Linear(24, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.l3(self.l2(self.l1(images))).mean((2, 3)))


def _cnn() -> Backbone:
    torch.manual_seed(0)
    return Backbone("cnn", ThreeMaps(), Preprocessing((224, 224), 224, "bilinear", *IMAGENET), ["l1", "l2", "l3"], "l3")


def _vit() -> Backbone:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(embed_dim=12, depth=3, num_heads=2, num_classes=10)
    return Backbone("vit", model, Preprocessing((224, 224), 224, "bilinear", *IMAGENET))


def _lightning(
    path: Path, backbone: Backbone, mechanism: dict[str, Tensor], layers: list[str], version: str, **more: Any
) -> Path:
    """A checkpoint as Lightning writes it: the classifier is in it twice."""
    state = OrderedDict((f"generic.attn_mech.{name}", value) for name, value in mechanism.items())
    for prefix in ("generic.body.", "generic.arrangement.body."):
        state |= {f"{prefix}{name}": value.clone() for name, value in backbone.model.state_dict().items()}
    hyper_parameters = {"model_name": backbone.name, "layers": layers, "attention_version": version, "LeRF": True}
    stored = {
        "epoch": 7,
        "global_step": 10,
        "pytorch-lightning_version": "2.1.2",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": hyper_parameters,
    }
    torch.save(stored | more, path)
    return path


def _golden_cnn(golden: Callable[[str], dict[str, Tensor]]) -> dict[str, Tensor]:
    arrays = golden("attention_ttame")
    return {name.removeprefix("cnn.param."): value for name, value in arrays.items() if name.startswith("cnn.param.")}


def test_golden_cnn_maps_of_an_imported_checkpoint(golden, tmp_path, capsys) -> None:
    backbone, arrays = _cnn(), golden("attention_ttame")
    path = _lightning(tmp_path / "a.ckpt", backbone, _golden_cnn(golden), ["l3", "l1", "l2"], "TAME")
    trained = import_checkpoint(path, backbone, "ttame")
    assert trained.layers == ["l1", "l2", "l3"], "in execution order, whatever the order that is stored"
    assert (trained.counts == UNKNOWN_COUNT).all()
    features = [arrays[f"cnn.in.{index}"] for index in range(3)]
    torch.testing.assert_close(trained.network(features).double(), arrays["cnn.eval.c"], atol=5e-6, rtol=0)
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("version", ["TAME", "TTAME"])
def test_golden_transformer_maps_of_an_imported_checkpoint(golden, tmp_path, version) -> None:
    backbone, arrays = _vit(), golden("attention_ttame")
    stored = {name.removeprefix("vit.param."): value for name, value in arrays.items() if name.startswith("vit.param.")}
    path = _lightning(tmp_path / "a.ckpt", backbone, stored, list(backbone.layers), version)
    trained = import_checkpoint(path, backbone, version.lower())
    features = [arrays[f"vit.in.{index}"] for index in range(3)]
    torch.testing.assert_close(trained.network(features).double(), arrays[f"vit.{version}.eval.c"], atol=5e-6, rtol=0)
    with pytest.raises(TTameError, match=f"of the design {version.lower()}, but no_skip is asked for"):
        import_checkpoint(path, backbone, "no_skip")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50.TAME", "vgg16.TAME", "vit_b_16.TTAME"])
def test_keys_of_published_checkpoints(name, tmp_path) -> None:
    path = SHARED / "golden" / "checkpoint_keys.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    told = json.loads(path.read_text())["models"][name]
    model = told["model_name"]
    backbone = load_backbone(model, ModelSettings(model=model, weights="none"))
    mechanism = {
        key.removeprefix("generic.attn_mech."): torch.rand(shape) if shape else torch.tensor(3)
        for key, shape in told["attention_state_dict"].items()
    }
    checkpoint = _lightning(tmp_path / "a.ckpt", backbone, mechanism, told["layers"], told["attention_version"])
    trained = import_checkpoint(checkpoint, backbone, "ttame")
    assert trained.layers == list(backbone.layers)
    trainable = [value for key, value in trained.network.named_parameters()]
    assert sum(value.numel() for value in trainable) == told["n_trainable"]
    for key, value in mechanism.items():
        assert torch.equal(trained.network.state_dict()[key.removeprefix("1.")], value)


def test_lcam_is_found_by_its_shape(tmp_path) -> None:
    backbone = _cnn()
    weight, bias = torch.rand(10, 24, 1, 1), torch.rand(10)
    state = {"attention.weight": weight, "attention.bias": bias, "fc.weight": torch.rand(10, 24)}
    path = tmp_path / "lcam.pt"
    torch.save({"state_dict": state}, path)
    trained = import_checkpoint(path, backbone, "lcam")
    assert trained.layers == ["l3"]
    feature = torch.rand(2, 24, 7, 7)
    expected = nn.functional.conv2d(feature, weight, bias)
    torch.testing.assert_close(trained.network([feature]), expected, atol=1e-5, rtol=1e-5)
    torch.save({"state_dict": {"fc.weight": torch.rand(10, 24)}}, path)
    with pytest.raises(TTameError, match=r"0 convolutions of shape \(10, 24, 1, 1\)"):
        import_checkpoint(path, backbone, "lcam")


def test_classifier_whose_statistics_drifted_is_told(golden, tmp_path, capsys) -> None:
    backbone = _cnn()
    path = _lightning(tmp_path / "a.ckpt", backbone, _golden_cnn(golden), ["l1", "l2", "l3"], "TAME")
    backbone.model.get_buffer("l1.1.running_mean").add_(0.25)
    import_checkpoint(path, backbone, "ttame")
    message = capsys.readouterr().err
    assert "differs from cnn in 1 tensors, l1.1.running_mean by up to 0.25" in message


class Malicious:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.target, "code ran"))


def test_checkpoint_that_would_run_code_is_refused(golden, tmp_path) -> None:
    backbone, victim = _cnn(), tmp_path / "victim"
    attack = {"callbacks": {"x": Malicious(victim)}}
    path = _lightning(tmp_path / "a.ckpt", backbone, _golden_cnn(golden), ["l1", "l2", "l3"], "TAME", **attack)
    with pytest.raises(TTameError, match="not loaded, since it holds more than tensors and plain values") as caught:
        import_checkpoint(path, backbone, "ttame")
    assert "\n" not in str(caught.value)
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(Malicious(victim)))
    with pytest.raises(TTameError, match=r"raw\.ckpt"):
        import_checkpoint(tmp_path / "raw.ckpt", backbone, "ttame")
    assert not victim.exists()


def test_truncated_missing_and_foreign_files(golden, tmp_path) -> None:
    backbone = _cnn()
    path = _lightning(tmp_path / "a.ckpt", backbone, _golden_cnn(golden), ["l1", "l2", "l3"], "TAME")
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:size])
        with pytest.raises(TTameError, match=r"a\.ckpt: (broken or truncated|not loaded)"):
            import_checkpoint(path, backbone, "ttame")
    with pytest.raises(TTameError, match="no such checkpoint"):
        import_checkpoint(tmp_path / "b.ckpt", backbone, "ttame")
    torch.save({"state_dict": {"fc.weight": torch.rand(2)}}, path)
    with pytest.raises(TTameError, match="no tensor of an attention mechanism"):
        import_checkpoint(path, backbone, "ttame")
    torch.save([1, 2], path)
    with pytest.raises(TTameError, match="holds a list; expected a Lightning checkpoint"):
        import_checkpoint(path, backbone, "ttame")


def test_other_layers_and_class_counts_are_refused(golden, tmp_path) -> None:
    path = _lightning(tmp_path / "a.ckpt", _cnn(), _golden_cnn(golden), ["l1", "l2", "l3"], "TAME")
    tiny = Backbone("tiny", TinyCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    with pytest.raises(TTameError, match=r"trained for layers l1, l2, l3, but tiny has .*set models\.tiny\.layers"):
        import_checkpoint(path, tiny, "ttame")
    fewer = _cnn()
    fewer.num_classes = 7
    with pytest.raises(TTameError, match=r"7 classes; fuser.bias is \(10,\), expected \(7,\)"):
        import_checkpoint(path, fewer, "ttame")


@pytest.mark.slow
def test_an_experiment_imports_instead_of_training(experiment, tmp_path, capsys) -> None:
    experiment()
    model = ModelSettings(model="shapes_cnn", weights="default")
    backbone = load_backbone("shapes_cnn", model)
    network = make_network(backbone, "ttame", backbone.layers)
    path = _lightning(Path("authors.ckpt"), backbone, dict(network.state_dict()), list(backbone.layers), "TAME")
    assert main(["import-checkpoint", str(path), "--backbone", "shapes_cnn"]) == 0
    assert "attention.ttame.checkpoints: {shapes_cnn: authors.safetensors}" in capsys.readouterr().out
    ours = load_checkpoint(Path("authors.safetensors"), backbone, "ttame")
    assert torch.equal(ours.network.state_dict()["fuser.weight"], network.state_dict()["fuser.weight"])
    for checkpoint in ("authors.ckpt", "authors.safetensors"):
        params = yaml.safe_load(Path("params.yaml").read_text()) | {"experiment": "imported"}
        params["attention"]["ttame"]["checkpoints"] = {"shapes_cnn": checkpoint}
        Path("imported.yaml").write_text(yaml.safe_dump(params))
        assert main(["datalists", "--params", "imported.yaml"]) == 0
        for stage in ("train", "maps"):
            assert main([stage, "shapes_cnn", "ttame", "--params", "imported.yaml"]) == 0
        history = Path("results/imported/attention/shapes_cnn/ttame.seed1.history.csv").read_text()
        assert history.count("\n") == 1, "a heading without epochs"
        for method in ("random", "center", "gradcam"):
            assert main(["maps", "shapes_cnn", method, "--params", "imported.yaml"]) == 0
        write_cost_tables(load_settings(Path("imported.yaml")))
        cost = Path("results/imported/tables/cost.md").read_text()
        assert "nan" not in cost
        written = load_checkpoint(
            Path("results/imported/attention/shapes_cnn/ttame.seed1.safetensors"), backbone, "ttame"
        )
        assert torch.equal(written.network.state_dict()["fuser.weight"], network.state_dict()["fuser.weight"])


@pytest.mark.parametrize("odd", [[1, 2], "text", {"layers": 3}, {"layers": [None]}, {"layers": {"a": 1}}])
def test_odd_hyper_parameters_are_a_line(tmp_path, odd) -> None:
    backbone = _cnn()
    path = _lightning(tmp_path / "a.ckpt", backbone, {}, [], "TAME", hyper_parameters=odd)
    with pytest.raises(TTameError, match="odd hyper_parameters"):
        import_checkpoint(path, backbone, "ttame")
    path = _lightning(tmp_path / "b.ckpt", backbone, {}, [], "TAME", state_dict={3: torch.zeros(2)})
    with pytest.raises(TTameError, match="has no state_dict of tensors"):
        import_checkpoint(path, backbone, "ttame")
