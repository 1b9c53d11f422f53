"""Tiny models of transformers and open_clip with random weights, saved as their libraries save them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "photo", "of", "the", "cat", "dog", "bird", ".")
SIZE = 32
"""Side of their images in pixels; patches have 8."""


def _seeded() -> None:
    torch.manual_seed(0)


def save_classifier(folder: Path, classes: int = 5, **changes: Any) -> Any:
    """A vision transformer of two blocks with its image processor; class k is called `name k`."""
    from transformers import ViTConfig, ViTForImageClassification

    _seeded()
    names = {index: f"name {index}" for index in range(classes)}
    model = ViTForImageClassification(ViTConfig(**_vision(), id2label=names, **changes)).eval()
    _loud(model.classifier.weight)
    model.save_pretrained(folder)
    save_processor(folder, "ViTImageProcessor", size={"height": SIZE, "width": SIZE}, resample=2)
    return model


def save_processor(folder: Path, kind: str, **options: Any) -> Any:
    """An image processor of transformers, `kind` its class."""
    import transformers

    processor = getattr(transformers, kind)(**options)
    processor.save_pretrained(folder)
    return processor


def save_clip(folder: Path) -> Any:
    """CLIP with its image processor and a tokenizer of a few words."""
    from transformers import CLIPConfig, CLIPModel

    _seeded()
    text = _text() | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    model = CLIPModel(CLIPConfig(vision_config=_vision(), text_config=text, projection_dim=16)).eval()
    model.save_pretrained(folder)
    square = {"height": SIZE, "width": SIZE}
    save_processor(folder, "CLIPImageProcessor", size={"shortest_edge": SIZE}, crop_size=square)
    _save_tokenizer(folder, ends=True)
    return model


def save_siglip(folder: Path) -> Any:
    """SigLIP, whose image tower has no class token, and whose logits have a bias."""
    from transformers import SiglipConfig, SiglipModel

    _seeded()
    text = _text() | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "projection_size": 32}
    model = SiglipModel(SiglipConfig(vision_config=_vision(), text_config=text)).eval()
    model.save_pretrained(folder)
    save_processor(folder, "SiglipImageProcessor", size={"height": SIZE, "width": SIZE})
    _save_tokenizer(folder, ends=False)
    return model


def save_open_clip(folder: Path, **vision: Any) -> Any:
    """A folder as open_clip's `push_to_hf_hub` makes it."""
    import open_clip
    from safetensors.torch import save_file

    _seeded()
    config: dict[str, Any] = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": SIZE, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16} | vision,
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {"size": SIZE}}))
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


def _vision() -> dict[str, Any]:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    return sizes | {"image_size": SIZE, "patch_size": 8}


def _text() -> dict[str, Any]:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    return sizes | {"vocab_size": 4 + len(WORDS), "max_position_embeddings": 12}


def _save_tokenizer(folder: Path, ends: bool) -> None:
    """Splits at blanks; with `ends`, around every text stand the marks that CLIP looks for."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    marks = ["<pad>", "<start>", "<end>", "<unknown>"]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate([*marks, *WORDS])}, "<unknown>"))
    tokenizer.pre_tokenizer = Whitespace()
    if ends:
        tokenizer.post_processor = TemplateProcessing(
            single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        pad_token="<end>" if ends else "<pad>",
        model_input_names=["input_ids", "attention_mask"] if ends else ["input_ids"],
    )
    fast.save_pretrained(folder)


def _loud(weight: torch.Tensor) -> None:
    """Random weights of a classifier whose classes differ."""
    with torch.no_grad():
        torch.nn.init.normal_(weight, std=0.5)
