"""Training an attention mechanism; the classifier that it explains stays as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn

from ttame.attention.auxiliary import Auxiliary, logits_and_features
from ttame.attention.complement import asking_complement
from ttame.attention.draws import Draws, draw
from ttame.attention.history import Averages, StepResult
from ttame.attention.loss import Loss, attention_loss
from ttame.attention.masking import classes_of_masks, input_policy, mask_features, mask_images, own_masks
from ttame.attention.optimisation import make_optimiser, make_schedule, sharpest_neighbour
from ttame.attention.states import blaming_the_state, read_state
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError
from ttame.params.attention import LossSettings, RecipeSettings
from ttame.runtime.processes import one_process, together
from ttame.store.artifacts import atomic_path


class AttentionTraining:
    """The state of one training: mechanism, optimiser, schedule, and how often each class was a model truth.

    Several processes give the steps that one would give: the model truths of all images are gathered for the masking
    mode, the batch norms see the whole batch, the gradients are averaged.

    Args:
        backbone: the classifier to explain.
        network: the mechanism to train.
        layers: the feature layers that the mechanism reads.
        loss: weights of the terms, and how images are masked.
        recipe: the optimisation.
        learning_rate: maximum of the one-cycle schedule.
        total_steps: length of that schedule.
        masks: what a map multiplies, the image (TAME, T-TAME, L-CAM-Img) or the last of the feature maps (L-CAM-Fm).
        processes: those that train together; this one alone by default.
        auxiliary: the classifier whose layers the mechanism reads; by default the explained one itself.
        seed: of what is drawn in every step, and of the order and crops of the images.
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
        processes: Fabric | None = None,
        auxiliary: Auxiliary | None = None,
        seed: int = 1,
    ) -> None:
        self.processes = processes or one_process(next(backbone.parameters()).device)
        self.backbone = backbone
        self.auxiliary = auxiliary
        self.network = network
        self.layers = layers
        self.masks = masks
        self.loss = loss
        self.recipe = recipe
        self.seed = seed
        self.policy = input_policy(loss, backbone)
        self.optimiser = make_optimiser(network, recipe, learning_rate)
        self.schedule = make_schedule(self.optimiser, total_steps)
        self._forward, self._stepper = self.processes.setup(network, self.optimiser)
        self.counts = torch.zeros(backbone.num_classes, dtype=torch.int64, device=next(backbone.parameters()).device)
        self.epoch = 0
        self.batches = 0
        self.averages = Averages()
        self.history: list[dict[str, float]] = []

    def evaluate(self, images: Tensor, *, together: bool = True) -> StepResult:
        """Both passes and the loss of (b, 3, H, W) images in [0, 1]; gradients reach the mechanism alone.

        The loss is that of this process's images; `together` says whether the other processes have the rest of the
        batch.
        """
        with self.processes.autocast():
            if self.masks == "features":
                recording = self.backbone.record(self.backbone.normalise(images), self.layers[-1])
                logits, features = recording.logits, [recording.activation]
            else:
                logits, features = logits_and_features(self.backbone, self.auxiliary, images, self.layers)
        truths = logits.argmax(1)
        labels = self._gather(truths) if together else truths
        first = self.processes.global_rank * len(images) if together else 0
        network = self._forward if together else self.network
        with self.processes.autocast():
            raw = network(features, classes_of_masks(logits, labels, self.loss.masking))
        # Outside of the mixed precision: the area's power has no slope left near zero in half precision.
        masks: Tensor = raw.to(images.dtype).sigmoid()
        step = [self.seed, self.epoch, self.batches]
        draws = draw(self.loss, step, first, len(images), len(labels)) if together else Draws()
        whole = own_masks(masks, self.loss.masking, first)
        own = draws.rank(whole)
        with self.processes.autocast():
            if self.masks == "features":
                masked_logits = self.backbone.rerun(recording, mask_features(features[-1], own, self.backbone))
            else:
                masked_logits = self._logits_of(images, own, draws)
            rest = self._logits_of(images, 1 - whole, draws) if self.loss.complement > 0 else None
        loss = attention_loss(masks, masked_logits.to(images.dtype), truths, self.loss)
        if rest is not None:
            loss = asking_complement(loss, rest.to(images.dtype), truths, self.loss)
        return StepResult(loss, labels, (masked_logits.detach().argmax(1) == truths).to(images.dtype).mean())

    def step(self, images: Tensor, names: Sequence[str] = ()) -> StepResult:
        """One batch: its gradients, and the optimiser's step when enough batches have given theirs.

        Args:
            images: (b, 3, H, W) in [0, 1], this process's part of the batch.
            names: of these images, for the message of an error.

        Raises:
            TTameError: when the loss is no longer finite; the weights are those before this step.
        """
        result = self.gradient_step(images, names)
        if self.batches % self.recipe.accumulate == 0:
            self.schedule.step()
        # Where they are: the host goes on to the next step while the device still works on this one.
        self.counts.scatter_add_(0, result.labels, torch.ones_like(result.labels))
        return result

    def gradient_step(self, images: Tensor, names: Sequence[str] = ()) -> StepResult:
        """As `step`, but the schedule stays where it is and the classes are not counted."""
        if self.batches % self.recipe.accumulate == 0:
            self.optimiser.zero_grad(set_to_none=True)
        last_of_step = (self.batches + 1) % self.recipe.accumulate == 0
        with self.processes.no_backward_sync(self._forward, enabled=not last_of_step):
            result = self.evaluate(images)
            shown = self._mean_of_processes(result)
            self.processes.backward(result.loss.total / self.recipe.accumulate)
        # Only now does the host wait for the loss, with the backward pass under way.
        self._refuse_broken_loss(shown, names)
        if last_of_step:
            if self.recipe.sharpness > 0:
                self._sharpen(images)
            self._stepper.step()
        self.batches += 1
        return shown

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, from the first process."""
        if self.processes.is_global_zero:
            state = {
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "precision": self.processes.strategy.precision.state_dict(),
                "counts": self.counts.cpu(),
                "epoch": self.epoch,
                "batches": self.batches,
                "sums": self.averages.sums.cpu(),
                "images": self.averages.images,
                "history": self.history,
            }
            content = io.BytesIO()
            torch.save(state, content)  # itself, torch would not say what the disk did
            with atomic_path(path) as temporary:
                temporary.write_bytes(content.getbuffer())
        self.processes.barrier()

    def resume(self, path: Path) -> None:
        """Go on from a state that `save` wrote, all processes or none.

        A broken one is set aside and said, since the training starts again.

        Raises:
            TTameError: when the state is whole, but another training's, or another process could not go on from it.
        """
        state = read_state(path, self.processes)
        if state is None:
            return
        with together(self.processes), blaming_the_state(path, "the state of another training"):
            self._restore(state)

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.processes.strategy.precision.load_state_dict(state["precision"])
        self.averages = Averages(state["sums"], state["images"])
        self.counts = state["counts"].to(self.counts.device)
        self.epoch, self.batches = state["epoch"], state["batches"]
        self.history = state["history"]

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is up in one of the processes."""
        if self.processes.world_size == 1:
            return flag
        flags = self.processes.all_reduce(torch.tensor(float(flag), device=self.processes.device), reduce_op="sum")
        assert isinstance(flags, Tensor)
        return bool(flags.item() > 0)

    def _logits_of(self, images: Tensor, masks: Tensor, draws: Draws) -> Tensor:
        masked = mask_images(images, masks, self.backbone, self.policy)
        return self.backbone(draws.fill(masked, images, masks, self.backbone))

    def _sharpen(self, images: Tensor) -> None:
        """Replace the gradient by that at the sharpest weights nearby."""
        with sharpest_neighbour(self.network, self.recipe.sharpness):
            self.optimiser.zero_grad(set_to_none=True)
            self.processes.backward(self.evaluate(images).loss.total)

    def _gather(self, labels: Tensor) -> Tensor:
        """(b,) of this process to (B,) of all, in the order of the processes."""
        if self.processes.world_size == 1:
            return labels
        parts = [torch.empty_like(labels) for _ in range(self.processes.world_size)]
        distributed.all_gather(parts, labels)
        return torch.cat(parts)

    def _mean_of_processes(self, result: StepResult) -> StepResult:
        values = torch.stack([*(term.detach() for term in result.loss), result.kept])
        if self.processes.world_size > 1:
            mean = self.processes.all_reduce(values, reduce_op="mean")
            assert isinstance(mean, Tensor)
            values = mean
        return StepResult(Loss(*values[:4]), result.labels, values[4])

    def _refuse_broken_loss(self, result: StepResult, names: Sequence[str]) -> None:
        total = result.loss.total.item()
        if math.isfinite(total):
            return
        rate = max(group["lr"] for group in self.optimiser.param_groups)
        images = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise TTameError(
            f"training {self.backbone.name}: the loss is {total} in batch {self.batches + 1} of epoch {self.epoch + 1}"
            f"{f' ({images})' if names else ''} at learning rate {rate:.2g}; lower the learning_rate of this mechanism "
            "in params.yaml; the last state that was saved is good, and kept"
        )
