"""Five steps of a training: `python -m tests.attention.steps_of_processes DEVICES NODES FILE MASKING...`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch

from ttame.attention.checkpoint import make_network
from ttame.attention.epochs import part_of_process
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.params.active import load_settings
from ttame.runtime.processes import open_processes

from ..conftest import IMAGENET, REPOSITORY, TinyCNN
from .recipe import LOSS, RECIPE

Masking = Literal["random", "diagonal", "max"]


def train_steps(
    folder: Path,
    maskings: Sequence[Masking],
    *,
    devices: int = 1,
    nodes: int = 1,
    starter: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """What `main` finds in processes of their own, started by another program if one is named."""
    target = folder / f"{devices}x{nodes}.pt"
    python = [sys.executable] if not starter else []
    command = [*starter, *python, "-m", __name__, str(devices), str(nodes), str(target), *maskings]
    variables = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=variables | (environment or {}),
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    found: dict[str, dict[str, Any]] = torch.load(target, weights_only=True)
    return found


def main(devices: int, nodes: int, target: str, maskings: Sequence[Masking]) -> None:
    """Train once with every masking mode; the losses, labels and weights, from the first process."""
    execution = load_settings(REPOSITORY / "params.yaml").execution
    execution = execution.model_copy(update={"device": "cpu", "threads": 1, "devices": devices, "nodes": nodes})
    processes = open_processes(execution)
    assert processes.world_size == devices * nodes
    found = {}
    for mode in maskings:
        torch.manual_seed(0)
        backbone = Backbone("tiny_cnn", TinyCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
        network = make_network(backbone, "ttame", backbone.layers).train()
        loss = LOSS.model_copy(update={"masking": mode, "ranked_masks": 0.5, "blurred_fill": 0.5})
        recipe = RECIPE.model_copy(update={"batch_size": 8, "accumulate": 2 if mode == "diagonal" else 1})
        training = AttentionTraining(backbone, network, backbone.layers, loss, recipe, 0.05, 10, processes=processes)
        losses = []
        for step in range(5 * recipe.accumulate):
            images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(step))
            mine = part_of_process(list(range(8)), processes.global_rank, devices * nodes)
            result = training.step(images[mine])
            losses.append(torch.stack([*(term.detach() for term in result.loss), result.kept]))
        found[mode] = {"losses": torch.stack(losses), "counts": training.counts.cpu(), **network.state_dict()}
    if processes.is_global_zero:
        torch.save(found, target)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], cast(list[Masking], sys.argv[4:]))
