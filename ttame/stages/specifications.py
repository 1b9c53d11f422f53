"""Stage: what each pair of backbone and method reads of the params and the registry, in a file of its own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ttame.explainers.registry import find
from ttame.params.settings import Settings
from ttame.params.specification import specification, specification_text
from ttame.store.artifacts import write_folder, write_text
from ttame.store.paths import specification_file, trainings_file


def run(settings: Settings) -> None:
    """Write `<backbone>/<method>.json` for every pair, and the list of what is trained; delete what others left."""
    pairs = [(backbone, method) for backbone in settings.backbones for method in settings.methods.all]
    files = {specification_file(settings, *pair): specification_text(settings, *pair) for pair in pairs}
    write_folder(settings.results / "specifications", files)
    trained = [_training(settings, backbone, method) for backbone, method in pairs if find(method).needs_training]
    table = pd.DataFrame(trained, columns=["backbone", "method", "design", "epochs", "learning_rate", "checkpoint"])
    write_text(trainings_file(settings), table.to_csv(index=False))


def _training(settings: Settings, backbone: str, method: str) -> list[Any]:
    found = specification(settings, backbone, method)
    return [backbone, method, found["design"], found["recipe"]["epochs"], found["learning_rate"], found["checkpoint"]]
