"""Training an attention mechanism; the classifier that it explains stays as it is."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from ttame.artifacts import atomic_path
from ttame.attention.loss import Loss, attention_loss
from ttame.attention.masking import (
    InputPolicy,
    classes_of_masks,
    mask_features,
    mask_images,
    own_masks,
)
from ttame.backbones.backbone import Backbone
from ttame.data.dataset import ImageDataset, epoch_order, in_order, load_batches
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.progress import progress
from ttame.settings import LossSettings, RecipeSettings


@dataclass(frozen=True)
class StepResult:
    """One batch: the loss, the (B,) model truths, and how many masked images kept theirs."""

    loss: Loss
    labels: Tensor
    kept: Tensor


@dataclass
class Averages:
    """Image-weighted means of the loss terms and of the masked accuracy."""

    sums: Tensor = field(default_factory=lambda: torch.zeros(5, dtype=torch.float64))
    images: int = 0

    def add(self, result: StepResult) -> None:
        batch = len(result.labels)
        values = torch.stack([*(term.detach() for term in result.loss), result.kept / batch])
        self.sums += values.double().cpu() * batch
        self.images += batch

    def row(self, split: str) -> dict[str, float]:
        names = ("loss", "cross_entropy", "area", "variation", "masked_accuracy")
        return {f"{split}_{name}": value for name, value in zip(names, (self.sums / self.images).tolist(), strict=True)}


def input_policy(settings: LossSettings, backbone: Backbone) -> InputPolicy:
    """The stated policy, or the paper's for this kind of classifier."""
    if settings.input_policy == "auto":
        return "new" if backbone.is_transformer else "raw_normalize"
    return settings.input_policy


def make_optimiser(
    network: nn.Module, recipe: RecipeSettings, learning_rate: float, total_steps: int
) -> tuple[Optimizer, OneCycleLR]:
    """SGD with Nesterov momentum and one cycle of rate and momentum (Smith 2018) over all steps.

    As published: weight decay on everything, batch-norm weights included, but the parameters called `bias`.
    """
    biases: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (biases if name.rpartition(".")[2] == "bias" else others).append(parameter)
    groups = [{"params": biases, "weight_decay": 0.0}, {"params": others, "weight_decay": recipe.weight_decay}]
    optimiser = SGD(groups, lr=learning_rate, momentum=recipe.momentum, nesterov=True)
    return optimiser, OneCycleLR(optimiser, learning_rate, total_steps=total_steps)


class AttentionTraining:
    """The state of one training: mechanism, optimiser, schedule, and how often each class was a model truth.

    Args:
        backbone: the classifier to explain.
        network: the mechanism to train.
        layers: the feature layers that the mechanism reads.
        loss: weights of the terms, and how images are masked.
        recipe: the optimisation.
        learning_rate: maximum of the one-cycle schedule.
        total_steps: length of that schedule.
        masks: what a map multiplies, the image (TAME, T-TAME, L-CAM-Img) or the last of the feature maps (L-CAM-Fm).
    """

    def __init__(
        self,
        backbone: Backbone,
        network: nn.Module,
        layers: Sequence[str],
        loss: LossSettings,
        recipe: RecipeSettings,
        learning_rate: float,
        total_steps: int,
        masks: Literal["image", "features"] = "image",
    ) -> None:
        self.backbone = backbone
        self.network = network
        self.layers = layers
        self.masks = masks
        self.loss = loss
        self.policy = input_policy(loss, backbone)
        self.optimiser, self.schedule = make_optimiser(network, recipe, learning_rate, total_steps)
        self.counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
        self.epoch = 0
        self.history: list[dict[str, float]] = []

    def evaluate(self, images: Tensor) -> StepResult:
        """Both passes and the loss of (B, 3, H, W) images in [0, 1]; gradients reach the mechanism alone."""
        clean = self.backbone.normalise(images)
        if self.masks == "features":
            recording = self.backbone.record(clean, self.layers[-1])
            logits, features = recording.logits, [recording.activation]
        else:
            with torch.no_grad():
                logits, recorded = self.backbone.features(clean, self.layers)
            features = list(recorded.values())
        masks: Tensor = self.network(features, classes_of_masks(logits, self.loss.masking)).sigmoid()
        own = own_masks(masks, self.loss.masking)
        if self.masks == "features":
            masked_logits = self.backbone.rerun(recording, mask_features(features[-1], own, self.backbone))
        else:
            masked_logits = self.backbone(mask_images(images, own, self.backbone, self.policy))
        labels = logits.argmax(1)
        loss = attention_loss(masks, masked_logits, labels, self.loss)
        return StepResult(loss, labels, (masked_logits.detach().argmax(1) == labels).sum())

    def step(self, images: Tensor) -> StepResult:
        """One step of the optimiser.

        Raises:
            TTameError: when the loss is no longer finite; the last finished epoch is kept.
        """
        result = self.evaluate(images)
        if not math.isfinite(result.loss.total.item()):
            rate = self.schedule.get_last_lr()[0]
            raise TTameError(
                f"training {self.backbone.name}: the loss is {result.loss.total.item()} in epoch {self.epoch + 1} at "
                f"learning rate {rate:.2g}; lower the learning_rate of this mechanism in params.yaml"
            )
        self.optimiser.zero_grad(set_to_none=True)
        result.loss.total.backward()
        self.optimiser.step()
        self.schedule.step()
        self.counts += torch.bincount(result.labels.cpu(), minlength=len(self.counts))
        return result

    def save(self, path: Path) -> None:
        """Write everything that the next epoch depends on."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "counts": self.counts,
            "epoch": self.epoch,
            "history": self.history,
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Go on from a state that `save` wrote; a broken one is ignored, since the training can start again."""
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except (FileNotFoundError, RuntimeError, EOFError, pickle.UnpicklingError):
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.counts, self.epoch, self.history = state["counts"], state["epoch"], state["history"]


def train(
    training: AttentionTraining,
    images: ImageDataset,
    validation: ImageDataset,
    recipe: RecipeSettings,
    workers: int,
    state_file: Path,
) -> None:
    """Run the epochs that are left, writing `state_file` after each.

    Every epoch's order and crops depend on (seed, epoch) alone, so a killed run that goes on from the last completed
    epoch ends with the weights of an unbroken one.
    """
    training.resume(state_file)
    device = next(training.backbone.parameters()).device
    for epoch in range(training.epoch, recipe.epochs):
        images.epoch = epoch
        order = epoch_order(len(images), recipe.batch_size, recipe.seed, epoch)
        started = time.monotonic()
        training.network.train()
        averages = Averages()
        title = f"train {training.backbone.name}, epoch {epoch + 1}/{recipe.epochs}"
        for batch in _shown(load_batches(images, order, workers), len(order) * recipe.batch_size, title):
            averages.add(training.step(to_unit_range(batch.to(device))))
        seconds = time.monotonic() - started
        row: dict[str, float] = {
            "epoch": epoch + 1,
            "learning_rate": float(training.schedule.get_last_lr()[0]),
            **averages.row("train"),
        }
        row |= validate(training, validation, recipe, workers)
        row["images_per_second"] = averages.images / seconds
        training.history.append(row)
        training.epoch = epoch + 1
        training.save(state_file)


@torch.no_grad()
def validate(
    training: AttentionTraining, validation: ImageDataset, recipe: RecipeSettings, workers: int
) -> dict[str, float]:
    """Loss terms and accuracy on the *masked* validation images; the published code scored the clean ones."""
    training.network.eval()
    device = next(training.backbone.parameters()).device
    averages = Averages()
    for batch in load_batches(validation, in_order(len(validation), recipe.batch_size), workers):
        averages.add(training.evaluate(to_unit_range(batch.to(device))))
    return averages.row("validation")


def _shown(batches: Iterable[Tensor], total: int, title: str) -> Iterator[Tensor]:
    with progress(total, title, "images") as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch))
