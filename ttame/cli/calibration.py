"""Short measurements of what one image costs on this device, for the plan."""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from copy import deepcopy
from functools import cache, cached_property
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
from ttame.cli.costs import Cost
from ttame.cli.live_memory import memory_bytes
from ttame.cli.measured_calls import MeasuredCalls
from ttame.data.sample import Sample
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.inner_batches import rehearsed
from ttame.explainers.registry import find, refuse_undefined_pair
from ttame.metrics.imputation import impute_linear
from ttame.params.attention import AttentionSettings
from ttame.params.auxiliary import auxiliary_of
from ttame.params.settings import Settings
from ttame.runtime.processes import one_process

LARGEST_BATCH = {"cpu": 2, "cuda": 64}
"""Images a measured call."""
FEW_CLASSES = 4
"""Classes whose gradients are measured, for all of them."""


@cache
def libraries_bytes(device: torch.device) -> float:
    """What a process holds before its first classifier, asked once: later it may still hold what others left.

    On a GPU that is nothing, since a process of torch's is counted by what its tensors take.
    """
    return float(memory_bytes()) if device.type == "cpu" else 0.0


class Calibration:
    """Measures one backbone with random weights on random images, which cost what trained ones on photographs do."""

    def __init__(self, settings: Settings, name: str, device: torch.device) -> None:
        self._settings = settings
        self._trainings: dict[tuple[object, ...], Cost] = {}
        self._starts: dict[str, Cost] = {}
        self._learned_maps: dict[tuple[object, ...], Cost] = {}
        libraries = libraries_bytes(device)
        model = settings.models[name].model_copy(update={"weights": "none"})
        self.backbone: Backbone = load_backbone(name, model).to(device)
        size = min(settings.execution.batch_size, LARGEST_BATCH.get(device.type, 4))
        shape = (size, 3, *self.backbone.preprocessing.input_size)
        self._images = torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)
        self._calls = MeasuredCalls(self.backbone.passes, device)
        weights = itertools.chain(self.backbone.parameters(), self.backbone.buffers())
        self._at_rest = libraries + float(sum(tensor.numel() * tensor.element_size() for tensor in weights))

    @cached_property
    @torch.no_grad()
    def forward(self) -> Cost:
        """The classifier alone."""
        clean = self.backbone.normalise(self._images)
        return self._calls.cost(lambda count: self.backbone(clean[:count]), len(clean))

    @cached_property
    def process(self) -> Cost:
        """Libraries and the classifier: memory of the process on a CPU, of the device on CUDA."""
        return Cost(0.0, fixed=self._at_rest)

    @cached_property
    def judge(self) -> Cost:
        """A step of training a copy of the classifier itself."""
        judge = deepcopy(self.backbone)
        judge.model.requires_grad_(True)
        clean = self.backbone.normalise(self._images)
        size = sum(tensor.numel() * tensor.element_size() for tensor in judge.parameters())

        def step(count: int) -> None:
            judge.zero_grad()
            judge(clean[:count]).sum().backward()

        cost = self._calls.cost(step, len(clean))
        # The gradients are made within the step; the copy itself and its momentum come on top.
        return dataclasses.replace(cost, forward=1.0, backward=1.0, fixed=cost.fixed + 2 * size)

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
        training.step(batch)  # which makes the optimiser's tensors
        cost = self._calls.cost(lambda count: training.step(batch[:count]), len(batch))
        # All passes have a backward but the clean one, and that of an auxiliary classifier.
        frozen = 1 if auxiliary is None else 2
        # The mechanism itself, and what the optimiser keeps, at most two numbers for each of its own.
        return dataclasses.replace(cost, backward=cost.forward - frozen, bytes=size, fixed=cost.fixed + 3 * size)

    def start(self, method: str) -> Cost:
        """Of an image from which a warm start is computed; no gradient where the classifier's last layer tells it."""
        mechanism = self._settings.attention[method].on(self.backbone.name).mechanism
        layer = chosen_layers(self.backbone, mechanism.feature_layers)[-1]
        if layer not in self._starts:
            self._starts[layer] = self._start(layer)
        return self._starts[layer]

    def _start(self, layer: str) -> Cost:
        clean = self.backbone.normalise(self._images)
        if rows_of_head(self.backbone, layer, clean[:1]) is not None:
            return Cost(0.0)
        classes = self.backbone.num_classes

        def gradients(images: int, count: int) -> None:
            deque(islice(self.backbone.gradients(clean[:images], layer), count), maxlen=0)

        one = self._calls.cost(lambda images: gradients(images, 1), len(clean))
        few = self._calls.cost(lambda images: gradients(images, 1 + FEW_CLASSES), len(clean))
        a_class = max(0.0, few.seconds - one.seconds) / FEW_CLASSES
        return dataclasses.replace(
            few, seconds=one.seconds + (classes - 1) * a_class, forward=1.0, backward=float(classes)
        )

    def map(self, method: str) -> Cost:
        """One map; two slices of a method's inner work, such as RISE's masks, run, and the rest is extrapolated.

        Raises:
            NotDefined: when the method is not defined on this classifier.
        """
        refuse_undefined_pair(method, self.backbone.name, self.backbone.is_transformer)
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
            cost = self._calls.first(lambda: explain(1))
        if left_out.passes:
            seconds, forward = cost.seconds + left_out.seconds, cost.forward + left_out.passes
            # What was left out goes backwards as what was done: always (SmoothGrad) or never (RISE).
            backward = cost.backward * forward / cost.forward
            # The slices are as large for one image as for many, of which little more is held.
            image = float(clean[0].numel() * clean.element_size())
            cost = dataclasses.replace(cost, seconds=seconds, forward=forward, backward=backward, each=image)
        else:
            cost = self._calls.cost(explain, len(clean))
        return dataclasses.replace(cost, bytes=4 * shapes[0].numel())

    @cached_property
    @torch.no_grad()
    def fill(self) -> Cost:
        """One fill of ROAD."""
        rows, columns = self.backbone.preprocessing.input_size
        removed = torch.rand(len(self._images), rows, columns, device=self._images.device) < 0.5
        return self._calls.cost(lambda count: impute_linear(self._images[:count], removed[:count]), len(removed))

    @torch.no_grad()
    def _learned_map(self, method: str) -> Cost:
        network, layers, auxiliary = self._mechanism(method)
        network.eval()
        clean = self.backbone.normalise(self._images)
        classes = torch.zeros(len(clean), 1, dtype=torch.int64, device=clean.device)
        shapes = []

        def explain(count: int) -> None:
            features = features_read(self.backbone, auxiliary, clean[:count], layers)
            shapes.append(network(features, classes[:count]).shape)

        cost = self._calls.cost(explain, len(clean))
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
