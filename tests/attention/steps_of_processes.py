"""Five steps of a training in several processes: `python -m tests.attention.steps_of_processes PROCESSES FILE`."""

from __future__ import annotations

import dataclasses
import sys

import torch
from lightning_fabric import Fabric

from ttame.attention.checkpoint import make_network
from ttame.attention.epochs import part_of_process
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ..conftest import IMAGENET, TinyCNN
from .recipe import LOSS, RECIPE


def main(count: int, target: str) -> None:
    """Train once with every masking mode; the losses, labels and weights, from the first process."""
    processes = Fabric(accelerator="cpu", devices=count, strategy="ddp" if count > 1 else "auto")
    processes.launch()
    torch.set_num_threads(1)
    found = {}
    for mode in ("random", "diagonal", "max"):
        torch.manual_seed(0)
        backbone = Backbone("tiny_cnn", TinyCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
        network = make_network(backbone, "ttame", backbone.layers).train()
        loss = dataclasses.replace(LOSS, masking=mode)
        recipe = dataclasses.replace(RECIPE, batch_size=8, accumulate=2 if mode == "diagonal" else 1)
        training = AttentionTraining(backbone, network, backbone.layers, loss, recipe, 0.05, 10, processes=processes)
        losses = []
        for step in range(5 * recipe.accumulate):
            images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(step))
            mine = part_of_process(list(range(8)), processes.global_rank, count)
            result = training.step(images[mine])
            losses.append(torch.stack([*(term.detach() for term in result.loss), result.kept]))
        found[mode] = {"losses": torch.stack(losses), "counts": training.counts, **network.state_dict()}
    if processes.is_global_zero:
        torch.save(found, target)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
