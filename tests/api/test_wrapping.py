from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ttame

from .conftest import CLASSES, KNOWN, MEAN, SIDE, STD, SmallCNN, refused, small_cnn, wrapped


def test_the_module_stays_as_it_is(module, dtype) -> None:
    module.train()
    before, state = repr(module), copy.deepcopy(module.state_dict())
    model = wrapped(module)
    ttame.Explainer("iia", model, steps=2)(torch.randn(1, 3, SIDE, SIDE))
    assert repr(module) == before, "no layer was replaced, and none works out of place now"
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(part.training and not part._forward_hooks for part in module.modules())
    module(torch.randn(4, 3, SIDE, SIDE, dtype=dtype)).sum().backward()
    with torch.no_grad():
        module.classifier.weight.zero_()
    assert model.model.get_parameter("classifier.weight").any(), "nor does what is done to it reach what is explained"


def test_logits_are_those_of_the_module_in_its_precision(module, dtype) -> None:
    images = torch.randn(3, 3, SIDE, SIDE, dtype=dtype)
    model = wrapped(module)
    logits = model(images)
    assert logits.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(logits, module.eval()(images), rtol=tolerance, atol=tolerance)
    assert (model.num_classes, model.class_names, model.name) == (5, tuple(CLASSES), "SmallCNN")
    assert model.layers == ("features.2", "features.5", "features")


def test_a_statement_that_is_none_is_in_the_way_only_where_it_is_needed() -> None:
    module: Any = small_cnn()
    module.pretrained_cfg = "a1_in1k"
    assert wrapped(module).preprocessing.input_size == (SIDE, SIDE)
    refused(
        lambda: ttame.wrap(module, mean=MEAN, std=STD), r"module: its pretrained_cfg does not fit \(.*expected timm's"
    )


def test_layers_and_preprocessing_that_are_said() -> None:
    model = ttame.wrap(
        small_cnn(),
        mean=MEAN,
        std=STD,
        input_size=(32, 40),
        layers=["features.5"],
        target_layer="features.4",
        resize=50,
        interpolation="bicubic",
        name="mine",
    )
    assert (model.name, model.layers, model.target_layer) == ("mine", ("features.5",), "features.4")
    found = model.preprocessing
    assert (found.input_size, found.resize, found.interpolation, found.mean, found.std) == (
        (32, 40),
        50,
        "bicubic",
        MEAN,
        STD,
    )
    assert wrapped(small_cnn()).preprocessing.resize == 37, "8 / 7 of the input"


def test_a_model_of_timm_states_its_preprocessing() -> None:
    import timm

    module: Any = timm.create_model("test_vit.r160_in1k", num_classes=5)
    model, stated = ttame.wrap(module), module.pretrained_cfg
    assert model.preprocessing.mean == tuple(stated["mean"])
    assert model.preprocessing.input_size == stated["input_size"][1:]
    assert model.preprocessing.resize == round(stated["input_size"][1] / stated["crop_pct"])
    assert ttame.wrap(module, mean=MEAN).preprocessing.mean == MEAN


class Softmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = small_cnn()

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images).softmax(1)


IN_SOFTMAX: dict[str, Any] = {"layers": ["inner.features"], "target_layer": "inner.features"}


def test_a_classifier_that_gives_probabilities() -> None:
    module = Softmax()
    model = ttame.wrap(module, **KNOWN, **IN_SOFTMAX, outputs="probabilities")
    images = torch.randn(2, 3, SIDE, SIDE)
    assert not module._forward_hooks
    torch.testing.assert_close(model(images).softmax(1), module.eval()(images), rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_copy_is_where_the_module_is(module, dtype) -> None:
    result = ttame.Explainer("rise", wrapped(module.cuda()), masks=20)(torch.randn(2, 3, SIDE, SIDE))
    assert result.saliency.is_cuda
    assert result.saliency.dtype == dtype


class Broken(SmallCNN):
    def forward(self, images: Tensor) -> Tensor:
        raise ZeroDivisionError("no luck")


class Pair(SmallCNN):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images), images


class Detached(SmallCNN):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).detach()


class Remembering(SmallCNN):
    def forward(self, images: Tensor) -> Tensor:
        self.seen = super().forward(images)
        return self.seen


def _used() -> nn.Module:
    module = Remembering()
    module(torch.rand(2, 3, SIDE, SIDE))
    return module


def _not_finite() -> nn.Module:
    module = SmallCNN()
    nn.init.constant_(module.classifier.weight, torch.nan)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.relu, r"module: a builtin_function_or_method; expected a torch\.nn\.Module"),
        (nn.Flatten, "module: it has no parameters"),
        (Pair, "module: its forward returns a tuple, not logits"),
        (
            Broken,
            r"module: its forward on torch\.float32 images \(B, 3, 32, 32\) raised ZeroDivisionError at .*: no luck",
        ),
        (Detached, "module: the logits carry no gradient"),
        (lambda: SmallCNN(1), "module: the classifier gives one logit"),
        (_used, "module: it cannot be copied"),
        (_not_finite, r"module: the tensor 'classifier\.weight' is not finite"),
        (Softmax, "module: the classifier returns probabilities .* set outputs: probabilities"),
    ],
)
def test_a_module_that_is_no_classifier_is_refused(make, message, folder) -> None:
    module = make()
    refused(lambda: ttame.wrap(module, **KNOWN, **(IN_SOFTMAX if make is Softmax else {})), message)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"outputs": "probabilities"}, "outputs: probabilities, but the classifier gives rows that do not sum to 1"),
        ({"outputs": "logit"}, "outputs: 'logit'; expected 'logits' or 'probabilities'"),
        ({"mean": None}, "mean: is missing"),
        ({"mean": 0.5}, r"mean: 0\.5; expected three numbers"),
        ({"mean": (0, 0, torch.inf)}, "mean: .* expected finite numbers"),
        ({"std": (1, 0, 1)}, "std: .* expected three numbers above 0"),
        ({"input_size": "32"}, "input_size: '32'; expected pixels"),
        ({"input_size": -1}, "input_size: -1; expected pixels"),
        ({"resize": 0}, "resize: 0; expected a whole number, 1 or more"),
        ({"interpolation": "cubic"}, "interpolation: 'cubic'; expected 'bilinear' or 'bicubic'"),
        ({"layers": ["features.2", "featurs"]}, "layers: no layer called 'featurs'; did you mean 'features'"),
        ({"layers": "features"}, "layers: 'features'; expected a list of names"),
        ({"target_layer": "clasifier"}, "target_layer: no layer called 'clasifier'; did you mean 'classifier'"),
        ({"target_layer": "classifier"}, r"target_layer: the layer 'classifier' gives \(B, 5\)"),
        ({"class_names": ["a", "b"]}, "class_names: 2 names for 5 classes"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(said, message, folder) -> None:
    refused(lambda: ttame.wrap(small_cnn(), **(KNOWN | said)), message)


def _wrapped(module: nn.Module, **others: Any) -> Any:
    return ttame.wrap(module, mean=MEAN, std=STD, input_size=SIDE, **others)


def test_layers_may_be_given_as_themselves() -> None:
    module = small_cnn()
    features: Any = module.features
    model = _wrapped(module, layers=[features[2], "features"], target_layer=features[5])
    assert (model.layers, model.target_layer) == (("features.2", "features"), "features.5")
    refused(lambda: _wrapped(module, target_layer=nn.Conv2d(1, 1, 1)), "target_layer: a Conv2d; expected")
    refused(lambda: _wrapped(module, target_layer=5), "target_layer: a int; expected")
    refused(lambda: _wrapped(module, layers=["features", "features"]), ".*each once")
    refused(lambda: _wrapped(module, layers=[]), ".*each once")


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused() -> None:
    refused(lambda: _wrapped(torch.jit.trace(small_cnn(), torch.randn(1, 3, SIDE, SIDE))), "module: TorchScript")


def test_a_compiled_module_is_refused() -> None:
    compiled: Any = torch.compile(small_cnn())
    refused(lambda: _wrapped(compiled), r"module: of torch\.compile, which hides its layers; .* module\._orig_mod")
    assert _wrapped(compiled._orig_mod).num_classes == len(CLASSES)


def test_inference_mode_outside_does_not_stay_inside() -> None:
    images = torch.randn(2, 3, SIDE, SIDE)
    expected = ttame.Explainer("gradcam", wrapped(small_cnn()))(images).raw
    module = small_cnn()
    with torch.inference_mode():
        model = wrapped(module)
        model(images)
        found = ttame.Explainer("gradcam", model)(images + 0).raw
        refused(lambda: _wrapped(small_cnn()), r"module: it was made in torch\.inference_mode")
    torch.testing.assert_close(found, expected)
    ttame.Explainer("smoothgrad", model, draws=2)(images)


@pytest.mark.parametrize("method", ["rollout", "gae", "legrad", "iia", "lrp"])
@pytest.mark.parametrize("kind", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)])
def test_attention_in_half_precision(method, kind) -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    module = VisionTransformer(img_size=SIDE, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=5).eval()
    options: dict[str, Any] = {"steps": 2} if method == "iia" else {}
    images = torch.randn(2, 3, SIDE, SIDE)
    exact, half = (
        ttame.Explainer(method, _wrapped(model), **options)(images.to(dtype), targets=1).raw.float()
        for model, dtype in ((module, torch.float32), (copy.deepcopy(module).to(kind), kind))
    )
    assert half.shape == exact.shape
    if method != "lrp":  # whose divisions by sums near zero half precision does not bear
        torch.testing.assert_close(half, exact, atol=0.1 * exact.max().item(), rtol=0)
