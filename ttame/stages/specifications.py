"""Stage: what each classifier, and each pair of backbone and method, reads of the params and the registry."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from ttame.errors import TTameError
from ttame.explainers.registry import find
from ttame.params.contents import WATCHED, named_files
from ttame.params.settings import Settings
from ttame.params.specification import as_text, classifier_specification, specification
from ttame.store.artifacts import write_folder, write_text
from ttame.store.digests import is_there
from ttame.store.paths import classifier_file, specification_file, trainings_file


def run(settings: Settings) -> None:
    """Write a file for every classifier and every pair, and the list of what is trained; delete what others left.

    Raises:
        TTameError: when a file that the params name is not there, or lies where DVC would not see it change.
    """
    _check_named_files(settings)
    pairs = [(backbone, method) for backbone in settings.backbones for method in settings.methods.all]
    files = {
        classifier_file(settings, backbone): as_text(classifier_specification(settings, backbone))
        for backbone in settings.backbones
    }
    files |= {specification_file(settings, *pair): as_text(specification(settings, *pair)) for pair in pairs}
    write_folder(settings.results / "specifications", files)
    trained = [_training(settings, backbone, method) for backbone, method in pairs if find(method).needs_training]
    table = pd.DataFrame(trained, columns=["backbone", "method", "design", "epochs", "learning_rate", "checkpoint"])
    write_text(trainings_file(settings), table.to_csv(index=False))


def _check_named_files(settings: Settings) -> None:
    for key, path in named_files(settings).items():
        if not is_there(path):
            raise TTameError(f"{key}: {path}: no such file; put it there, or name another")
        if "DVC_STAGE" in os.environ and WATCHED.resolve() not in path.resolve().parents:
            raise TTameError(
                f"{key}: {path}: DVC would not see this file change, since it watches {WATCHED}/ alone; move the file "
                "there, or run Snakemake, which watches it anywhere"
            )


def _training(settings: Settings, backbone: str, method: str) -> list[Any]:
    found = specification(settings, backbone, method)
    return [backbone, method, found["design"], found["recipe"]["epochs"], found["learning_rate"], found["checkpoint"]]
