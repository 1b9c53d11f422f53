"""Classifiers and image towers of Hugging Face's transformers."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.built import Built
from ttame.backbones.hooks import hooked
from ttame.backbones.image_processor import read_preprocessing
from ttame.backbones.repository import Repository, transformers_for
from ttame.backbones.tokens import TokenLayout, state_token_layout
from ttame.backbones.weights import count_classes, fit_weights, read_weights
from ttame.backbones.zero_shot import ZeroShotClassifier, read_text_head
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of
from ttame.params.model_source import missing_head
from ttame.params.settings import ModelSettings

TOWERS = {"clip": "CLIPModel", "siglip": "SiglipModel"}
"""Models of an image tower and a text tower, by the `model_type` of their config."""


class HuggingFaceClassifier(nn.Module):
    """A model for image classification, of which the logits are kept: (B, 3, H, W) to (B, K)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=images).logits
        return logits


class HuggingFaceTower(nn.Module):
    """The image tower of CLIP or SigLIP: (B, 3, H, W) to (B, D) embeddings, not normalised."""

    def __init__(self, pair: Any) -> None:
        super().__init__()
        self.model: nn.Module = pair.vision_model
        # SigLIP's tower ends in the space of its texts.
        self.projection: nn.Module = getattr(pair, "visual_projection", nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.projection(self.model(pixel_values=images).pooler_output)
        return embeddings


def from_hugging_face(name: str, settings: ModelSettings) -> Built:
    """A classifier, or an image tower with the text head that the settings name.

    Raises:
        TTameError: when transformers is not installed, the model cannot be read, or its images cannot be prepared.
    """
    repository = Repository(name, settings.model)
    with transformers_for(repository.model, repository.key) as library:
        config = repository.read(library.AutoConfig)
        preprocessing = _preprocessing(repository, library)
        if is_pair(config):
            if settings.head is None:
                raise TTameError(f"models.{name}.head: {missing_head(settings.model)}")
            head = read_text_head(Path(settings.head), f"models.{name}.head")
            tower = HuggingFaceTower(_with_weights(repository, library.AutoModel, config, settings.weights))
            state_token_layout(tower, _layout(tower.model, preprocessing.input_size, config, _origin(repository)))
            return ZeroShotClassifier.build(tower, head, preprocessing, name)
        if settings.head is not None:
            raise TTameError(f"models.{name}.head: {settings.model} has a head of its own; expected null")
        labels = [config.id2label.get(index) for index in range(config.num_labels)]
        names = [str(label) for label in labels if label is not None]
        inner = _with_weights(repository, library.AutoModelForImageClassification, config, settings.weights)
        model = HuggingFaceClassifier(inner)
        state_token_layout(model, _layout(inner, preprocessing.input_size, config, _origin(repository)))
        return Built(model, preprocessing, names if len(names) == inner.num_labels else None)


def load_pair(name: str, settings: ModelSettings, library: Any) -> Any:
    """CLIP or SigLIP with both towers, inside a block of `transformers_for`.

    Raises:
        TTameError: when it is another model, or cannot be read.
    """
    repository = Repository(name, settings.model)
    config = repository.read(library.AutoConfig)
    if not is_pair(config):
        raise TTameError(
            f"{settings.model}: is a {config.model_type} model; expected an image tower and a text tower, "
            f"{' or '.join(TOWERS.values())}"
        )
    return _with_weights(repository, library.AutoModel, config, settings.weights)


def is_pair(config: Any) -> bool:
    """Whether a config is that of an image tower and a text tower."""
    return (config.architectures or [TOWERS.get(config.model_type)])[0] in TOWERS.values()


def _with_weights(repository: Repository, model_class: Any, config: Any, weights: str) -> Any:
    """The model with its own weights, random ones, or those of a state dict, whose number of classes is taken."""
    if weights == "default":
        return repository.load(model_class, config)
    state = None if weights == "none" else read_weights(Path(weights), repository.name)
    try:
        model = model_class.from_config(config, dtype=torch.float32, trust_remote_code=False)
        classes = None if state is None else count_classes(model, state)
        if classes not in (None, getattr(model, "num_labels", None)) and not is_pair(config):
            config.num_labels = classes
            model = model_class.from_config(config, dtype=torch.float32, trust_remote_code=False)
    except Exception as error:
        raise repository.refusal(error) from None
    if state is not None:
        fit_weights(model, state, Path(weights), repository.name)
    return model


def _preprocessing(repository: Repository, library: Any) -> Preprocessing:
    processor = repository.read(library.AutoImageProcessor, backend="pil")
    try:
        return read_preprocessing(processor)
    except Exception as error:  # whatever a processor raises on an image
        reason = reason_of(error, most=160)
        raise TTameError(
            f"{repository.key}: {repository.model}: its image processor {type(processor).__name__} cannot be followed, "
            f"{reason}; expected one that resizes, crops in the middle and scales to mean and std"
        ) from None


def _origin(repository: Repository) -> str:
    return f"{repository.key}: {repository.model}"


def is_hugging_faces(module: nn.Module) -> bool:
    """Whether a module in memory is a model of transformers, which gives no tensor of logits."""
    library: Any = sys.modules.get("transformers")
    return library is not None and isinstance(module, library.PreTrainedModel)


@torch.no_grad()
def wrap_hugging_face(module: nn.Module, preprocessing: Preprocessing) -> nn.Module:
    """A model for image classification in memory, as `from_hugging_face` has one of a folder.

    Raises:
        TTameError: when it does not give its hidden states.

    Returns:
        `module` itself when it does not give logits by that name; what is wrong with it, if anything, is seen by a
        check that all classifiers go through.
    """
    images = next(module.parameters()).new_zeros(1, 3, *preprocessing.input_size)
    try:
        logits = module.eval()(images).logits
    except Exception:  # whatever a forward raises on these images
        return module
    if not isinstance(logits, Tensor):
        return module
    model = HuggingFaceClassifier(module)
    state_token_layout(model, _layout(module, preprocessing.input_size, module.config, "module"))
    return model


@torch.no_grad()
def state_tokens_inside(module: nn.Module, input_size: tuple[int, int]) -> None:
    """Models of transformers inside a user's module state their tokens too, so that its layers are chosen as theirs.

    Args:
        module: from (B, 3, H, W) to logits, whatever it makes of a model's outputs and of the images before.
        input_size: (H, W).
    """
    inside = [part for part in module.modules() if part is not module and is_hugging_faces(part)]
    if not inside:
        return
    seen: dict[nn.Module, tuple[int, int]] = {}

    def note(part: nn.Module, given: tuple[Any, ...], options: dict[str, Any]) -> None:
        images = next((one for one in (*given, *options.values()) if isinstance(one, Tensor) and one.ndim == 4), None)
        if images is not None and images.shape[1] == 3:
            seen[part] = (images.shape[2], images.shape[3])

    try:
        with hooked(part.register_forward_pre_hook(note, with_kwargs=True) for part in inside):
            module.eval()(next(module.parameters()).new_zeros(1, 3, *input_size))
    except Exception:  # whatever a user's forward raises; a check that all classifiers go through says it
        return
    for part, size in seen.items():
        with suppress(TTameError):  # without hidden states it is read as any other network
            state_token_layout(part, _layout(part, size, part.config, type(part).__name__))


@torch.no_grad()
def _layout(model: nn.Module, input_size: tuple[int, int], config: Any, origin: str) -> TokenLayout | None:
    """That of a plain transformer, where every block gives the same tokens; None for any other network.

    The grid follows from the size of the images and of a patch, and what is left are the prefix tokens.
    """
    rows, columns = input_size
    try:
        images = next(model.parameters()).new_zeros(1, 3, rows, columns)
        states: tuple[Tensor, ...] = model.eval()(pixel_values=images, output_hidden_states=True).hidden_states or ()
    except Exception as error:
        raise TTameError(
            f"{origin}: fails on images of {rows} x {columns} pixels, as its image "
            f"processor makes them ({reason_of(error, most=160)}); expected the processor of this very model"
        ) from None
    patch = getattr(getattr(config, "vision_config", config), "patch_size", None)
    if not isinstance(patch, int) or len(states) < 2 or {state.shape for state in states} != {states[0].shape}:
        return None
    grid = (rows // patch, columns // patch)
    prefix = states[0].shape[1] - grid[0] * grid[1]
    return TokenLayout(prefix, grid) if states[0].ndim == 3 and prefix >= 0 else None
