"""A frozen classifier with named feature layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ttame.backbones.feature_hooks import outputs_of
from ttame.backbones.freezing import freeze_batch_norms, keep_inputs, take_logarithm
from ttame.backbones.layers import choose_layers, find_layer
from ttame.backbones.layout import Layout
from ttame.backbones.recording import Plan, Recording, plan_rerun, record
from ttame.backbones.tokens import TokenLayout, read_token_layout
from ttame.backbones.trunk import Trunk
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError


@dataclass
class PassCount:
    """Images that went through a classifier, forwards and backwards."""

    forward: int = 0
    backward: int = 0


class Backbone(nn.Module):
    """A classifier that is explained: always in eval mode, its parameters always frozen.

    Attributes:
        name: key of `models` in the params.
        preprocessing: input size, mean and std.
        layers: the feature layers that attention mechanisms read, in execution order.
        target_layer: the layer that gradient methods read.
        outputs: what the classifier's own forward returns; this one returns logits in both cases.
        tokens: layout of the tokens, if all these layers give sequences of one layout; else None, and what they give
            is shown as (B, C, h, w), whatever its own layout.
        trunk: what its modules give.
        num_classes: K.
        class_names: K names, or None.
        passes: running count of what it was asked to compute; a method's cost is counted here, never quoted.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        name: str,
        model: nn.Module,
        preprocessing: Preprocessing,
        layers: Sequence[str] | None = None,
        target_layer: str | None = None,
        class_names: Sequence[str] | None = None,
        outputs: Literal["logits", "probabilities"] = "logits",
    ) -> None:
        """Freeze `model`; layers that are not named are chosen by the rule of `ttame.backbones.layers`.

        Raises:
            TTameError: when a layer does not exist or is no map of the image, no layer is found, or the model returns
                no logits.
        """
        super().__init__()
        self.name = name
        self.model = model
        self.passes = PassCount()
        self.preprocessing = preprocessing
        self.class_names = tuple(class_names) if class_names else None
        self.outputs = outputs
        if outputs == "probabilities":
            take_logarithm(model)
        freeze_batch_norms(model)
        keep_inputs(model)
        self.requires_grad_(False)
        self.train(False)
        # Kept in double precision and rounded once, at use: then a double precision run has exact constants.
        mean = torch.tensor(preprocessing.mean, dtype=torch.float64, device="cpu")
        std = torch.tensor(preprocessing.std, dtype=torch.float64, device="cpu")
        self.register_buffer("_mean", mean.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", std.view(1, 3, 1, 1), persistent=False)
        self.num_classes = self._count_classes()
        self.trunk = Trunk(model, preprocessing.input_size, read_token_layout(model))
        if layers is None or target_layer is None:
            chosen = choose_layers(self.trunk, name)
            layers, target_layer = layers or chosen, target_layer or chosen[-1]
        self.layers = tuple(self.trunk.in_order(layers))
        self.target_layer = target_layer
        self._layouts: dict[str, Layout] = {}
        self.tokens = self._common_tokens()
        self._plans: dict[str, Plan] = {}

    @property
    def is_transformer(self) -> bool:
        """Whether feature maps are token sequences."""
        return self.tokens is not None

    def layout(self, layer: str) -> Layout:
        """Where the positions of the image are in what a layer gives.

        Raises:
            TTameError: when there is no such layer, or it cannot be read as maps of the image.
        """
        if layer not in self._layouts:
            find_layer(self.model, layer, self.name, self.trunk)
            setting = "layers" if layer in self.layers or layer != self.target_layer else "target_layer"
            self._layouts[layer] = self.trunk.layout(layer, f"models.{self.name}.{setting}")
        return self._layouts[layer]

    def _common_tokens(self) -> TokenLayout | None:
        found = {self.layout(layer).tokens for layer in (*self.layers, self.target_layer)}
        return found.pop() if len(found) == 1 else None

    def _shown(self, layer: str, output: Tensor) -> Tensor:
        """What a layer gives, as methods see it."""
        return output if self.tokens is not None else self.layout(layer).to_maps(output)

    def to_maps(self, shown: Tensor) -> Tensor:
        """(B, C, h, w) of what `features` shows; a transformer's without its prefix tokens."""
        return shown if self.tokens is None else self.tokens.to_maps(shown)

    def train(self, mode: bool = True) -> Backbone:
        """Stay in eval mode whatever is asked: batch statistics of a frozen classifier must not drift."""
        return super().train(False)

    def normalise(self, images: Tensor) -> Tensor:
        """n(x): (B, 3, H, W) pixels in [0, 1] to the classifier's range."""
        return (images - self._mean.to(images.dtype)) / self._std.to(images.dtype)

    def unnormalise(self, images: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return images * self._std.to(images.dtype) + self._mean.to(images.dtype)

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) logits of (B, 3, H, W) normalised images."""
        self.passes.forward += len(images)
        logits = self.model(images)
        if not isinstance(logits, Tensor):
            raise TTameError(
                f"models.{self.name}: its forward returns a {type(logits).__name__}, not logits; "
                "wrap it in a module that returns one (images, classes) tensor"
            )
        if logits.ndim != 2:
            raise TTameError(
                f"models.{self.name}: its forward returns a tensor of shape {tuple(logits.shape)}, not logits; "
                "wrap it in a module that returns one (images, classes) tensor"
            )
        return logits

    def features(self, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits, and the outputs of the named layers in the same pass.

        Args:
            images: (B, 3, H, W), normalised.
            layers: names of modules of the classifier.

        Returns:
            (B, K) logits, and for each layer its output: (B, C, h, w), or (B, N, C) for a transformer's tokens.
        """
        with self._outputs(layers) as outputs:
            logits = self(images)
        return logits, {layer: self._shown(layer, outputs[layer]) for layer in layers}

    def activation_and_gradient(self, images: Tensor, targets: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """Output of a layer, and the gradient of each image's target logit with respect to it.

        The graph starts at the layer: what comes before it runs without gradients.

        Args:
            images: (B, 3, H, W), normalised.
            targets: (B,) classes.
            layer: name of a module.

        Returns:
            Two tensors, as `features` gives them.
        """
        with torch.enable_grad(), self._outputs([layer], cut=True) as outputs:
            logits = self(images)
            scores = logits.gather(1, targets[:, None]).sum()
            (gradient,) = torch.autograd.grad(scores, outputs[layer])
        self.passes.backward += len(images)
        return self._shown(layer, outputs[layer].detach()), self._shown(layer, gradient)

    def gradients(self, images: Tensor, layer: str) -> Iterator[Tensor]:
        """For each class in turn, the gradient of its logit with respect to the output of a layer.

        Args:
            images: (B, 3, H, W), normalised.
            layer: name of a module.

        Yields:
            K tensors, as `features` gives them.

        Raises:
            RuntimeError: from torch, when the logits have no gradient there.
        """
        with torch.enable_grad(), self._outputs([layer], cut=True) as outputs:
            scores = self(images).sum(0)
        for index, score in enumerate(scores):
            (gradient,) = torch.autograd.grad(score, outputs[layer], retain_graph=index + 1 < len(scores))
            self.passes.backward += len(images)
            yield self._shown(layer, gradient)

    def record(self, images: Tensor, layer: str) -> Recording:
        """A forward pass that can be run again with another output of `layer`, for the cost of what comes after it.

        The pass that a rerun starts from is an object, so that nobody can rerun the wrong one. A rerun counts as one
        forward pass an activation (see `Backbone.rerun`).

        Args:
            images: (B, 3, H, W), normalised.
            layer: name of a module.

        Raises:
            TTameError: when the layer's output is not one tensor.
        """
        if layer not in self._plans:
            rows, columns = self.preprocessing.input_size
            trial = images.new_zeros(2, 3, rows, columns)
            self._plans[layer] = plan_rerun(self.model, find_layer(self.model, layer, self.name), trial, layer)
        self.passes.forward += len(images)
        with torch.no_grad():
            recording = record(self.model, self._plans[layer], images)
        return recording if self.tokens is not None else recording.shown_in(self.layout(layer))

    def rerun(self, recording: Recording, activation: Tensor) -> Tensor:
        """(n, K) logits when the recorded layer gives the (n, ...) `activation`; see `Recording.rerun`."""
        self.passes.forward += len(activation)
        return recording.rerun(activation)

    def _outputs(self, layers: Sequence[str], cut: bool = False) -> AbstractContextManager[dict[str, Tensor]]:
        return outputs_of({layer: find_layer(self.model, layer, self.name) for layer in layers}, cut)

    @torch.no_grad()
    def _count_classes(self) -> int:
        rows, columns = self.preprocessing.input_size
        return int(self(next(self.parameters(), torch.zeros(())).new_zeros(1, 3, rows, columns)).shape[1])
