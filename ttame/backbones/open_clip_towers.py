"""Image towers of open_clip, by a name of its list or from a folder with open_clip_config.json."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ttame.backbones.built import Built, import_library
from ttame.backbones.downloading import reachable_hub, stalling_for_seconds
from ttame.backbones.tokens import TokenLayout, read_token_layout, state_token_layout
from ttame.backbones.weights import fit_weights, read_weights
from ttame.backbones.zero_shot import ZeroShotClassifier, read_text_head
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of, suggestion
from ttame.params.model_source import folder_of, missing_head, split_library
from ttame.params.settings import ModelSettings

CONFIG = "open_clip_config.json"
CHECKPOINTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
"""What a folder's weights are called."""


class OpenClipTower(nn.Module):
    """(B, 3, H, W) to (B, D) embeddings, not normalised."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        given = self.model(images)
        embeddings: Tensor = given[0] if isinstance(given, tuple) else given  # CoCa's tower gives its tokens too
        return embeddings


def from_open_clip(name: str, settings: ModelSettings) -> Built:
    """An image tower with the text head that the settings name.

    Raises:
        TTameError: when open_clip is not installed, there is no such model, or its weights cannot be had.
    """
    if settings.head is None:
        raise TTameError(f"models.{name}.head: {missing_head(settings.model)}")
    head = read_text_head(Path(settings.head), f"models.{name}.head")
    pair = load_pair(name, settings)
    tower = OpenClipTower(pair.visual)
    state_token_layout(tower, _layout(pair.visual))
    return ZeroShotClassifier.build(tower, head, _preprocessing(name, settings.model, pair), name)


def load_pair(name: str, settings: ModelSettings) -> Any:
    """The whole model, image tower and text tower.

    Raises:
        TTameError: as `from_open_clip` does.
    """
    key = f"models.{name}.model"
    library = import_library("open_clip", "clip", key)
    architecture, tag = _architecture(library, settings.model, key)
    folder, file = folder_of(settings.model), None
    if settings.weights not in ("default", "none"):
        file = Path(settings.weights)
    elif settings.weights == "default" and folder is not None:
        file = _checkpoint(folder, key)
    elif settings.weights == "default":
        _check_tag(library, architecture, tag, settings.model, key)
    published = tag if settings.weights == "default" else None
    try:
        with _quiet(), _hub(library, architecture, published):
            pair = library.create_model(
                architecture, published, load_weights=published is not None, pretrained_text=False
            )
    except Exception as error:  # whatever a broken config or a download raises
        raise _not_made(settings.model, key, published, error) from None
    if file is not None:
        state = library.factory.convert_state_dict(pair, read_weights(file, name))
        fit_weights(pair, state, file, name)
    return pair


def tokenizer_of(model: str, key: str) -> Any:
    """From texts to the text tower's tokens.

    Raises:
        TTameError: when it would have to be downloaded and cannot be.
    """
    library = import_library("open_clip", "clip", key)
    architecture, _ = _architecture(library, model, key)
    try:
        with _quiet(), _hub(library, architecture):
            return library.get_tokenizer(architecture)
    except Exception as error:
        raise TTameError(
            f"{key}: {model}: its tokenizer cannot be had ({reason_of(error)}); expected its files in the folder"
        ) from None


def _architecture(library: Any, model: str, key: str) -> tuple[str, str | None]:
    """The name by which open_clip makes it, and the tag of its weights."""
    folder = folder_of(model)
    if folder is not None:
        if not (folder / CONFIG).is_file():
            raise TTameError(
                f"{key}: {model}: no {CONFIG} in that folder; expected what open_clip's push_to_hf_hub saves"
            )
        return f"local-dir:{folder}", None
    architecture, _, tag = split_library(model)[1].partition("@")
    known = library.list_models()
    if architecture not in known:
        hint = suggestion(architecture, known) or "; see open_clip.list_models()"
        raise TTameError(f"{key}: {model}: no such folder, and no model {architecture!r} in open_clip{hint}")
    return architecture, tag or None


def _check_tag(library: Any, architecture: str, tag: str | None, model: str, key: str) -> None:
    tags = library.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        there = f"{model.partition('@')[0]}@{tags[0]}, with one of {', '.join(tags)}" if tags else "none are published"
        near = suggestion(tag, tags) if tag else ""
        raise TTameError(
            f"{key}: {model}: which weights? Name published ones ({there}){near}, or give a file as "
            f"{key.removesuffix('.model')}.weights"
        )
    wants_quick = bool(library.get_pretrained_cfg(architecture, tag).get("quick_gelu", False))
    has_quick = bool(library.get_model_config(architecture).get("quick_gelu", False))
    if wants_quick != has_quick:
        other = f"{architecture}-quickgelu" if wants_quick else architecture.removesuffix("-quickgelu")
        raise TTameError(
            f"{key}: {model}: these weights were trained with another activation function; use open_clip:{other}@{tag}"
        )


def _checkpoint(folder: Path, key: str) -> Path:
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    raise TTameError(
        f"{key}: open_clip:{folder}: no weights in that folder; expected {CHECKPOINTS[0]} (a pickle file is not read: "
        f"give its state dict as {key.removesuffix('.model')}.weights)"
    )


def _not_made(model: str, key: str, published: str | None, error: Exception) -> TTameError:
    reason = reason_of(error)
    if published is not None:
        return TTameError(
            f"{key}: {model}: the published weights could not be downloaded ({reason}); put them into a file, and give "
            f"it as {key.removesuffix('.model')}.weights"
        )
    return TTameError(f"{key}: {model}: open_clip cannot make it ({reason}); expected a config of open_clip's")


def _preprocessing(name: str, model: str, pair: Any) -> Preprocessing:
    """What open_clip says of itself; an image that it would squash is resized and cropped, as of every model."""
    from open_clip import get_model_preprocess_cfg

    stated = get_model_preprocess_cfg(pair)
    sides = stated["size"] if isinstance(stated["size"], list | tuple) else (stated["size"], stated["size"])
    if sides[0] != sides[1] or stated.get("resize_mode") == "longest" or stated.get("mode", "RGB") != "RGB":
        raise TTameError(
            f"models.{name}.model: {model}: its images are prepared in a way that cannot be followed (size {sides}, "
            f"resize_mode {stated.get('resize_mode')!r}); expected RGB squares, resize_mode shortest or squash"
        )
    interpolation = "bilinear" if stated.get("interpolation") == "bilinear" else "bicubic"
    side = int(sides[0])
    return Preprocessing((side, side), side, interpolation, tuple(stated["mean"]), tuple(stated["std"]))


def _layout(visual: Any) -> TokenLayout | None:
    """The tokens of a transformer of open_clip's or timm's; None for a CNN."""
    if hasattr(visual, "trunk"):
        return read_token_layout(visual.trunk)
    if not hasattr(visual, "class_embedding"):
        return None
    rows, columns = visual.grid_size
    return TokenLayout(1, (int(rows), int(columns)))


@contextmanager
def _hub(library: Any, architecture: str, published: str | None = None) -> Iterator[None]:
    """A block that may download; the hub is asked whether it answers where something would come from there."""
    texts = (library.get_model_config(architecture) or {}).get("text_cfg", {})
    asked = published is not None or any(key.startswith("hf_") for key in texts)
    with stalling_for_seconds(), reachable_hub() if asked else nullcontext():
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip tells the root logger of every step, which for that gets a handler."""
    root = logging.getLogger()
    handlers, before = list(root.handlers), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        root.handlers[:] = handlers
