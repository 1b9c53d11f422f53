"""Short measurements of what one image costs on this device, for the plan."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from torch import nn

from ttame.attention.auxiliary import Auxiliary, features_read
from ttame.attention.checkpoint import chosen_layers, classifier_read, make_network
from ttame.attention.training import AttentionTraining
from ttame.attention.warm_start import rows_of_head
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.inner_batches import rehearsed
from ttame.explainers.registry import find
from ttame.metrics.imputation import impute_linear
from ttame.params.attention import AttentionSettings
from ttame.params.auxiliary import auxiliary_of
from ttame.params.settings import Settings
from ttame.runtime.device import read_clock
from ttame.runtime.processes import one_process

LARGEST_BATCH = {"cpu": 2, "cuda": 64}
"""Images a measured call."""
FEW_CLASSES = 4
"""Classes whose gradients are measured, for all of them."""


@dataclass(frozen=True)
class Cost:
    """Of one image: seconds, passes of the classifier, and bytes of what is kept."""

    seconds: float
    forward: float
    backward: float
    bytes: float = 0.0

    def plus(self, other: Cost, share: float) -> Cost:
        """With a share of another cost on top, what is kept aside."""
        return Cost(
            self.seconds + share * other.seconds,
            self.forward + share * other.forward,
            self.backward + share * other.backward,
            self.bytes,
        )


class Calibration:
    """Measures one backbone with random weights on random images, which cost what trained ones on photographs do."""

    def __init__(self, settings: Settings, name: str, device: torch.device) -> None:
        self._settings = settings
        self._trainings: dict[tuple[object, ...], Cost] = {}
        self._starts: dict[str, Cost] = {}
        self._learned_maps: dict[tuple[object, ...], Cost] = {}
        model = settings.models[name].model_copy(update={"weights": "none"})
        self.backbone: Backbone = load_backbone(name, model).to(device)
        size = min(settings.execution.batch_size, LARGEST_BATCH.get(device.type, 4))
        shape = (size, 3, *self.backbone.preprocessing.input_size)
        self._images = torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)

    @cached_property
    @torch.no_grad()
    def forward(self) -> Cost:
        """The classifier alone."""
        clean = self.backbone.normalise(self._images)
        return self._cost(lambda: self.backbone(clean), len(clean))

    def training(self, method: str) -> Cost:
        """A step of training: both passes and the optimiser; the weights of the loss do not change what it costs."""
        attention, training_of = self._attention(method), find(method).training
        assert training_of is not None
        recipe = attention.recipe
        kind = (
            training_of.design,
            training_of.masks,
            attention.mechanism.auxiliary,
            str(attention.mechanism.feature_layers),
            attention.loss.masking,
            recipe.optimiser,
            attention.loss.complement > 0,
            recipe.sharpness > 0,
        )
        if kind not in self._trainings:
            self._trainings[kind] = self._train(method)
        return self._trainings[kind]

    def _train(self, method: str) -> Cost:
        attention, training_of = self._attention(method), find(method).training
        assert training_of is not None
        network, layers, auxiliary = self._mechanism(method)
        size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
        # A rate near zero: the cost of a step does not depend on it, but random weights could diverge.
        training = AttentionTraining(
            self.backbone,
            network.train(),
            layers,
            attention.loss,
            attention.recipe.model_copy(update={"accumulate": 1}),
            1e-9,
            100,
            training_of.masks,
            one_process(self._images.device, attention.recipe.precision),
            auxiliary,
        )
        batch = self._images[: attention.recipe.batch_size]
        cost = self._cost(lambda: training.step(batch), len(batch))
        # All passes have a backward but the clean one, and that of an auxiliary classifier.
        frozen = 1 if auxiliary is None else 2
        return dataclasses.replace(cost, backward=cost.forward - frozen, bytes=size)

    def start(self, method: str) -> Cost:
        """Of an image from which a warm start is computed; no gradient where the classifier's last layer tells it."""
        mechanism = self._settings.attention[method].on(self.backbone.name).mechanism
        layer = chosen_layers(self.backbone, mechanism.feature_layers)[-1]
        if layer not in self._starts:
            self._starts[layer] = self._start(layer)
        scaled = mechanism.warm_start is not None and mechanism.warm_start.scale == "auto"
        return self._starts[layer].plus(self.forward, 1.0 if scaled else 0.0)

    def _start(self, layer: str) -> Cost:
        clean = self.backbone.normalise(self._images)
        if rows_of_head(self.backbone, layer, clean[:1]) is not None:
            return Cost(0.0, 0.0, 0.0)
        classes = self.backbone.num_classes

        def gradients(count: int) -> None:
            deque(islice(self.backbone.gradients(clean, layer), count), maxlen=0)

        one = self._cost(lambda: gradients(1), len(clean))
        few = self._cost(lambda: gradients(1 + FEW_CLASSES), len(clean))
        a_class = max(0.0, few.seconds - one.seconds) / FEW_CLASSES
        return Cost(one.seconds + (classes - 1) * a_class, 1.0, float(classes))

    def map(self, method: str) -> Cost:
        """One map; two slices of a method's inner work, such as RISE's masks, run, and the rest is extrapolated."""
        training_of = find(method).training
        if training_of is not None:
            mechanism = self._attention(method).mechanism
            kind = (training_of.design, mechanism.auxiliary, str(mechanism.feature_layers))
            if kind not in self._learned_maps:
                self._learned_maps[kind] = self._learned_map(method)
            return self._learned_maps[kind]
        explainer = make_explainer(method, self.backbone, self._settings.options(method))
        clean = self.backbone.normalise(self._images)
        somewhere = np.ones(self.backbone.preprocessing.input_size, dtype=bool)  # for the ground truth's map

        shapes = []

        def explain(count: int) -> None:
            targets = torch.zeros(count, dtype=torch.int64, device=clean.device)
            maps = explainer(clean[:count], targets, [Sample(str(index), somewhere) for index in range(count)])
            shapes.append(maps.shape[1:])

        with rehearsed() as left_out:
            cost = self._cost(lambda: explain(1), 1, warm=False)
        if left_out.passes:
            seconds, forward = cost.seconds + left_out.seconds, cost.forward + left_out.passes
            # What was left out goes backwards as what was done: always (SmoothGrad) or never (RISE).
            backward = cost.backward * forward / cost.forward
            cost = dataclasses.replace(cost, seconds=seconds, forward=forward, backward=backward)
        else:
            cost = self._cost(lambda: explain(len(clean)), len(clean))
        return dataclasses.replace(cost, bytes=4 * shapes[0].numel())

    @cached_property
    @torch.no_grad()
    def fill(self) -> float:
        """Seconds of one fill of ROAD."""
        rows, columns = self.backbone.preprocessing.input_size
        removed = torch.rand(len(self._images), rows, columns, device=self._images.device) < 0.5
        return self._cost(lambda: impute_linear(self._images, removed), len(removed)).seconds

    @torch.no_grad()
    def _learned_map(self, method: str) -> Cost:
        network, layers, auxiliary = self._mechanism(method)
        network.eval()
        clean = self.backbone.normalise(self._images)
        classes = torch.zeros(len(clean), 1, dtype=torch.int64, device=clean.device)
        shapes = []

        def explain() -> None:
            features = features_read(self.backbone, auxiliary, clean, layers)
            shapes.append(network(features, classes).shape)

        cost = self._cost(explain, len(clean))
        return dataclasses.replace(cost, bytes=4 * shapes[0][2] * shapes[0][3])

    def _attention(self, method: str) -> AttentionSettings:
        return self._settings.attention[method].on(self.backbone.name)

    def _mechanism(self, method: str) -> tuple[nn.Module, list[str], Auxiliary | None]:
        """An untrained mechanism, the layers that it reads, and the auxiliary classifier that has them, if any."""
        training_of, auxiliary = find(method).training, None
        assert training_of is not None
        chosen = auxiliary_of(self._settings, self.backbone.name, method)
        if chosen is not None:
            auxiliary = Auxiliary(chosen.model_copy(update={"weights": "none"}), self.backbone)
        read = classifier_read(self.backbone, auxiliary)
        layers = chosen_layers(read, self._attention(method).mechanism.feature_layers)
        network = make_network(self.backbone, training_of.design, layers, auxiliary)
        return network.to(self._images.device), layers, auxiliary

    def _cost(self, work: Callable[[], object], images: int, *, warm: bool = True) -> Cost:
        """Seconds and passes an image of the second call, or of the first where that is too long to be made twice."""
        if warm:
            work()
        passes = self.backbone.passes
        passes.forward = passes.backward = 0
        started = read_clock(self._images.device)
        work()
        seconds = read_clock(self._images.device) - started
        return Cost(seconds / images, passes.forward / images, passes.backward / images)
