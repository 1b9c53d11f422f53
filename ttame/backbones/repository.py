"""Reading from a folder or from Hugging Face's hub with transformers: tensors alone, never code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ttame.backbones.built import import_library
from ttame.backbones.downloading import reachable_hub
from ttame.errors import TTameError, reason_of
from ttame.params.model_source import folder_of, split_library

PICKLES = (".bin", ".pt", ".pth", ".h5", ".msgpack")
"""Endings of files of weights that are not read."""


@dataclass(frozen=True)
class Repository:
    """A folder, or a name on the hub, that transformers reads.

    Attributes:
        name: of the model in the params, for messages.
        model: `hf:FOLDER` or `hf:NAME`.
    """

    name: str
    model: str

    @property
    def key(self) -> str:
        """The key of the params that messages are about."""
        return f"models.{self.name}.model"

    def read(self, reader: Any, **options: Any) -> Any:
        """What `reader.from_pretrained` makes of it.

        Raises:
            TTameError: when a file is missing, broken, would run code, or cannot be downloaded.
        """
        from huggingface_hub import constants

        here = folder_of(self.model)
        offline = here is not None or constants.HF_HUB_OFFLINE
        try:
            return reader.from_pretrained(
                split_library(self.model)[1], trust_remote_code=False, local_files_only=offline, **options
            )
        except Exception as error:  # whatever a broken or malicious file makes its reader raise
            raise self.refusal(error, downloading=here is None) from None

    def refusal(self, error: Exception, downloading: bool = False) -> TTameError:
        """One line for what transformers raised."""
        reason = reason_of(error)
        if downloading:
            named = split_library(self.model)[1]
            if named.startswith((".", "/", "~")):
                return TTameError(f"{self.key}: {self.model}: no such folder; expected one with the model's files")
            return TTameError(
                f"{self.key}: {self.model}: no such folder, and nothing of that name could be downloaded ({reason}); "
                "put its config.json, preprocessor_config.json and model.safetensors into a folder and name that"
            )
        if "custom code" in str(error):
            reason = "it is made of code of its own, which is not run"
        return TTameError(
            f"{self.key}: {self.model}: cannot be read ({reason}); expected the folder that save_pretrained of a model "
            "and its image processor writes, with model.safetensors"
        )

    def load(self, model_class: Any, config: Any) -> Any:
        """The model with its weights, in single precision.

        Raises:
            TTameError: as `read` does, and when tensors are missing or do not fit, which transformers would draw anew.
        """
        self._refuse_pickle(model_class)
        model, told = self.read(
            model_class,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        wrong = sorted(map(str, [*told["missing_keys"], *(key[0] for key in told["mismatched_keys"])]))
        if wrong:
            raise TTameError(
                f"{self.key}: {self.model}: {len(wrong)} tensors of a {type(model).__name__} are missing or do not "
                f"fit, {wrong[0]!r} for one; expected a model that was trained with these"
            )
        return model

    def _refuse_pickle(self, model_class: Any) -> None:
        folder = folder_of(self.model)
        files = [] if folder is None else [file for file in folder.iterdir() if file.is_file()]
        pickled = sorted(file.name for file in files if file.suffix in PICKLES)
        if pickled and not any(file.suffix == ".safetensors" for file in files):
            raise TTameError(
                f"{self.key}: {self.model}: holds {pickled[0]}, a pickle file, which can run code, and no safetensors; "
                f'convert it where you trust it: python -c "from transformers import {model_class.__name__} as M; '
                f"M.from_pretrained('{folder}').save_pretrained('{folder}')\""
            )


@contextmanager
def transformers_for(model: str, key: str) -> Iterator[Any]:
    """The library, which says nothing of its own in the block and asks the hub only if that answers."""
    library = import_library("transformers", "hf", key)
    logging = library.utils.logging
    before, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        if folder_of(model) is not None:
            yield library
            return
        with reachable_hub():
            yield library
    finally:
        logging.set_verbosity(before)
        if had_bars:
            logging.enable_progress_bar()
