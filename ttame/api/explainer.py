"""A method made ready for a classifier, for as many calls as one likes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttame.api.arguments import naming_arguments, refuse_other_model, refuse_other_number
from ttame.api.explanation import Explanation, Passes
from ttame.api.images import Batch, Images, as_batch
from ttame.api.mechanism import Mechanism, mechanism_for
from ttame.api.surroundings import undisturbed
from ttame.api.targets import Targets, as_targets
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.errors import TTameError, suggestion
from ttame.explainers import explainer as methods
from ttame.explainers.learned import Learned
from ttame.explainers.registry import EXPLAINERS, Training, find, refuse_undefined_pair
from ttame.metrics.masking import saliency_map
from ttame.params.validation import validated

BATCH_SIZE = 32
"""Images that a method is given at a time; it changes no map beyond rounding."""

OF_THE_CLASSIFIER = ("target_layer", "target_layers", "layers")
"""What other libraries ask of a method, and here is said once of a classifier."""


class Explainer:
    """Where a classifier looks, by one method.

    What a method sets up once, RISE's masks or a trained mechanism, is set up here and serves every call. It may be
    made and called in a block of `torch.no_grad()`, `torch.inference_mode()` or `torch.autocast()`: the gradients that
    most methods need are computed all the same, and the classifier stays in its own precision.

    Attributes:
        method: its registered name.
        model: the classifier.
    """

    @undisturbed()
    def __init__(
        self, method: str, model: Backbone, *, checkpoint: str | Path | Mechanism | None = None, **options: Any
    ) -> None:
        """Prepare a method for a classifier.

        Args:
            method: a name of `python -m ttame methods`.
            model: of `ttame.open_model` or `ttame.wrap`.
            checkpoint: of a learned method, the trained mechanism or the file that holds it.
            options: of a method without training, those of `explainers` in the params, with the same defaults.

        Raises:
            TTameError: for an unknown method or option, with near matches, and a checkpoint that does not fit.
            NotDefined: when the method cannot explain this classifier.
        """
        refuse_other_model(model)
        refuse_unknown_method(method)
        self.method = method
        self.model = model
        entry = find(method)
        for option in OF_THE_CLASSIFIER:
            if option in options:
                raise TTameError(f"{option}: is the classifier's; say it to ttame.wrap or ttame.open_model")
        chosen = validated(entry.options, options, method)
        with naming_arguments("method"):
            refuse_undefined_pair(method, model.name, model.is_transformer)
        if entry.training is None:
            if checkpoint is not None:
                raise TTameError(f"checkpoint: {method} is not trained and reads none; leave it out")
            with naming_arguments("method"):
                self._method = methods.make_explainer(method, model, chosen)
        else:
            self._method = self._learned(entry.training, checkpoint)

    @undisturbed()
    def __call__(self, images: Images, targets: Targets = None, *, batch_size: int = BATCH_SIZE) -> Explanation:
        """Explain images.

        Args:
            images: a normalised tensor (B, 3, H, W) or (3, H, W), a PIL image, a path, or a list of these.
            targets: classes to explain, one for all images or one for each; None for the model truths.
            batch_size: images at a time.

        Returns:
            Maps, targets and passes, on the model's device and in its precision.

        Raises:
            TTameError: for images that cannot be read or do not fit, and targets that are no classes.
        """
        refuse_other_number(batch_size, "batch_size", 1)
        return self.explain_batch(as_batch(images, self.model), targets, batch_size)

    def explain_batch(self, batch: Batch, targets: Targets = None, batch_size: int = BATCH_SIZE) -> Explanation:
        """As a call, of images that were read already, for `ttame.evaluate`."""
        model, clean = self.model, batch.clean
        parts = [slice(start, start + batch_size) for start in range(0, len(clean), batch_size)]
        with torch.no_grad():
            logits = torch.cat([model(clean[rows]) for rows in parts])
        explained = logits.argmax(1) if targets is None else as_targets(targets, clean, model)
        before = model.passes.forward, model.passes.backward
        with naming_arguments(name=model.name):
            raw = torch.cat([self._maps(batch.at(rows), explained[rows]) for rows in parts])
        counts = self._method.training_counts(explained)
        made = (model.passes.forward - before[0], model.passes.backward - before[1])
        seen = (255 * batch.pixels.detach().clamp(0, 1)).round().to(torch.uint8)
        return Explanation(
            self.method,
            saliency_map(raw, model.preprocessing.input_size).to(clean),
            raw.to(clean),
            explained,
            logits.double().softmax(1).gather(1, explained[:, None])[:, 0].to(clean),
            Passes(*(count / len(raw) for count in made)),
            model.class_names,
            None if counts is None else counts.to(clean.device),
            seen.permute(0, 2, 3, 1).cpu().contiguous().numpy(),
            model.preprocessing,
        )

    def __repr__(self) -> str:
        return f"Explainer({self.method!r}, {self.model.name})"

    def _maps(self, batch: Batch, targets: Tensor) -> Tensor:
        """(b, h, w) raw maps, in float32 at least: half precision cannot tell a range from none."""
        samples = [Sample(name) for name in batch.names]
        dtype = torch.promote_types(batch.clean.dtype, torch.float32)
        return self._method(batch.clean, targets, samples).detach().to(dtype)

    def _learned(self, training: Training, checkpoint: str | Path | Mechanism | None) -> Learned:
        if checkpoint is None:
            raise TTameError(
                f"checkpoint: is missing; {self.method} reads a trained mechanism, of ttame.train(model, "
                f"{self.method!r}, images=...) or a file"
            )
        mechanism = mechanism_for(checkpoint, self.model, training.design)
        return Learned(self.model, mechanism.trained_copy(), training.design)


def explain(
    model: Backbone,
    images: Images,
    method: str,
    targets: Targets = None,
    options: Mapping[str, Any] | None = None,
    checkpoint: str | Path | Mechanism | None = None,
) -> Tensor:
    """Where the classifier looks, by a method that is used once; see `Explainer`.

    Returns:
        (B, H, W) in [0, 1], higher is more relevant; 0 everywhere for a map without contrast.

    Raises:
        TTameError: for an unknown method or option, a target that is no class, or a checkpoint that does not fit.
    """
    if not isinstance(options, Mapping | None):
        raise TTameError(f"options: {options!r:.60}; expected options by name, {{'masks': 1000}} say")
    return Explainer(method, model, checkpoint=checkpoint, **dict(options or {}))(images, targets).saliency


def refuse_unknown_method(method: Any, trained: bool = False) -> None:
    """Check the name of a method that can explain images of one's own.

    Raises:
        TTameError: with near matches, when there is none, or none that is trained where that is asked for.
    """
    known = [name for name, entry in EXPLAINERS.items() if name != "ground_truth" and (entry.training or not trained)]
    if method == "ground_truth":
        raise TTameError("method: ground_truth is known of the embedded data alone, not of images of your own")
    if method not in known:
        kind = "trained method" if trained else "method"
        hint = suggestion(str(method), known) or f"; expected one of {', '.join(known)}"
        raise TTameError(f"method: {method!r} is no {kind}{hint}")
