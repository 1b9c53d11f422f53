"""`ttame show`: what the classifier sees in one image, and where methods say it looks, without the DAG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.images import open_rgb
from ttame.data.sample import Sample
from ttame.data.transforms import fit_image, to_bytes, to_unit_range
from ttame.errors import TTameError, suggestion
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import EXPLAINERS, find, is_trained, registered_name, title
from ttame.metrics.masking import saliency_map
from ttame.params.auxiliary import auxiliary_of
from ttame.params.settings import Settings
from ttame.report.pictures import class_name, draw_grid, overlay
from ttame.runtime.device import select_device
from ttame.store.paths import checkpoint_file

TOP = 5
PNG = b"\x89PNG\r\n\x1a\n"
DEFAULT_MODEL = "tf_efficientnet_lite0"
"""Where there is no experiment: its ImageNet weights are installed with the package."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        photo: an image file.
        backbone: a backbone of the experiment, or None for its first.
        methods: methods of the experiment; none for Grad-CAM and the reference method, if it is trained.
        target: index or name of the class to explain, or None for the classifier's own.
        checkpoint: of the trained method that is asked for, or None for the experiment's.
        output: the PNG, or None for `<photo>.maps.png` in the current folder.
    """

    photo: Path
    backbone: str | None = None
    methods: Sequence[str] = ()
    target: str | None = None
    checkpoint: Path | None = None
    output: Path | None = None


def run_model(model: str, weights: str, head: str | None, request: Request) -> str:
    """`run` for any model, where there is no experiment: what is wrong is said of the options.

    Raises:
        TTameError: as `run` does, and for a model that cannot be had.
    """
    name = "".join(letter if letter.isalnum() else "_" for letter in model)
    classifier = {"model": model, "weights": weights, "head": head}
    try:
        said = {"experiment": "show", "backbones": [name], "models": {name: classifier}}
        settings = Settings.model_validate(said)
    except ValidationError as error:
        wrong = next((one["loc"][-1] for one in error.errors() if one["loc"][-1] in classifier), "model")
        raise TTameError(f"--{wrong}: {classifier[str(wrong)]!r:.60}; expected a name or a path") from None
    trained = [method for method in request.methods if is_trained(method)]
    if trained and request.checkpoint is None:
        raise TTameError(f"--checkpoint: is missing; {trained[0]} reads a trained mechanism, and --model brings none")
    try:
        return run(settings, request)
    except TTameError as error:
        raise TTameError(_of_options(str(error), name)) from None


def _of_options(text: str, name: str) -> str:
    """A message about options, where that of the pipeline is about keys of `models`."""
    key = rf"models\.{re.escape(name)}"
    words = (
        (rf"{key}\.layers and target_layer", "layers and target_layer of an experiment (`python -m ttame new`)"),
        (rf"set {key}\.outputs: ", "make an experiment (`python -m ttame new`) with outputs: "),
        (rf"{key}\.(model|weights|head)\b", r"--\1"),
        (rf"{key}\.(?=\w)", ""),
        (rf"{key}\b", "--model"),
        ("use weights: none", "use --weights none"),
        ("has a head of its own; expected null", "has a head of its own; leave --head out"),
    )
    for pattern, instead in words:
        text = re.sub(pattern, instead, text)
    return text


def run(settings: Settings, request: Request) -> str:
    """Draw the maps; the top classes and where the picture is.

    Raises:
        TTameError: for an image that cannot be read, and a backbone, method or class that there is not.
    """
    name = request.backbone or settings.backbones[0]
    if name not in settings.models:
        raise TTameError(f"models: no backbone {name!r}{suggestion(name, settings.models)}")
    methods = request.methods or _usual_methods(settings, name)
    _refuse_needless_checkpoint(request, methods)
    output = request.output or Path(f"{request.photo.stem}.maps.png")
    _refuse_to_overwrite(output, request)
    device = select_device(settings.execution)
    crop = open_rgb(request.photo)
    backbone = load_backbone(name, settings.models[name]).to(device)
    crop = fit_image(crop, backbone.preprocessing)
    images = backbone.normalise(to_unit_range(to_bytes(crop)[None].to(device)))
    with torch.no_grad():
        probabilities = backbone(images).softmax(1)[0].cpu()
    if not probabilities.isfinite().all():
        raise TTameError(f"{name}: its outputs are not finite, so nothing can be explained; see models.{name}.weights")
    target = int(probabilities.argmax()) if request.target is None else _find_class(backbone, request.target)
    photo = np.asarray(crop)
    pictures, headings = [photo], [class_name(backbone.class_names, target)]
    for method in methods:
        saliency = _map(settings, request, backbone, method, images, target)
        pictures.append(overlay(photo, saliency))
        headings.append(title(method))
    draw_grid(output, [("", pictures)], headings, inches=2.4)
    lines = [f"{100 * value:5.1f} %  {class_name(backbone.class_names, index)}" for value, index in _top(probabilities)]
    return "\n".join([*lines, f"Maps of {class_name(backbone.class_names, target)}: {output}"])


def _refuse_to_overwrite(output: Path, request: Request) -> None:
    """Only a PNG may be where the picture goes, and neither the photo nor a link to it."""
    if output.is_dir() or output.suffix.lower() != ".png":
        raise TTameError(f"--output: {output}: no picture can be written there; expected a file name that ends in .png")
    if output.exists() and request.photo.exists() and output.samefile(request.photo):
        raise TTameError(f"--output: {output} is the photo itself, which would be lost; choose another name")
    if output.is_file():
        with output.open("rb") as file:
            if file.read(len(PNG)) != PNG:
                raise TTameError(f"--output: {output} is there and no PNG; choose another name, or delete it")


def _refuse_needless_checkpoint(request: Request, methods: Sequence[str]) -> None:
    known = [method for method in methods if registered_name(method) in EXPLAINERS]
    if request.checkpoint and len(known) == len(methods) and not any(find(method).needs_training for method in known):
        raise TTameError(
            f"--checkpoint: {', '.join(methods)} has no trained mechanism to read from {request.checkpoint}; leave it "
            "out, or name the method that it is of with --method"
        )


def _map(settings: Settings, request: Request, backbone: Backbone, method: str, images: Tensor, target: int) -> Tensor:
    """(H, W) in [0, 1] on the CPU."""
    known = [*(name for name, entry in EXPLAINERS.items() if name != "ground_truth"), *settings.attention]
    if method not in known:
        hint = suggestion(method, known) or "; `python -m ttame methods` lists those that are"
        raise TTameError(f"{method!r} is no method for an image of your own{hint}")
    checkpoint = None
    if find(method).needs_training:
        checkpoint = request.checkpoint or checkpoint_file(settings, backbone.name, method, settings.methods.seeds[0])
        if not checkpoint.exists():
            raise TTameError(
                f"{checkpoint}: no such trained mechanism; run `python -m ttame train {backbone.name} {method}`, or "
                "name one with --checkpoint"
            )
    # A checkpoint that is named says itself what it reads.
    auxiliary = None if request.checkpoint else auxiliary_of(settings, backbone.name, method)
    explainer = make_explainer(method, backbone, settings.options(method), checkpoint, auxiliary)
    maps = explainer(images, torch.tensor([target], device=images.device), [Sample(request.photo.name)]).detach()
    return saliency_map(maps, backbone.preprocessing.input_size)[0].cpu()


def _usual_methods(settings: Settings, backbone: str) -> list[str]:
    reference = settings.report.reference
    trained = (
        reference in settings.attention
        and checkpoint_file(settings, backbone, reference, settings.methods.seeds[0]).exists()
    )
    return ["gradcam", reference] if trained else ["gradcam"]


def _find_class(backbone: Backbone, wanted: str) -> int:
    names = backbone.class_names or ()
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < backbone.num_classes:
        return int(wanted)
    raise TTameError(
        f"--class: {wanted!r} is no class of {backbone.name}{suggestion(wanted, names)}; expected 0 to "
        f"{backbone.num_classes - 1}" + (" or a name" if names else "")
    )


def _top(probabilities: Tensor) -> list[tuple[float, int]]:
    values, indices = probabilities.topk(min(TOP, len(probabilities)))
    return [(float(value), int(index)) for value, index in zip(values, indices, strict=True)]
