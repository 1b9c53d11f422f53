"""Two processes that see different things of one state: `python -m tests.attention.resume_of_processes FOLDER`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.params.active import load_settings
from ttame.runtime.processes import open_processes

from ..conftest import IMAGENET, REPOSITORY, TinyCNN
from .recipe import LOSS, RECIPE

Spoil = Callable[[int], AbstractContextManager[None]]

EPOCH = 2
"""Of the state."""


def main(folder: Path) -> None:
    """What each process finds in every case, as `<case>.<rank>` in `found.<rank>.json`."""
    execution = load_settings(REPOSITORY / "params.yaml").execution
    processes = open_processes(execution.model_copy(update={"device": "cpu", "threads": 1, "devices": 2}))
    rank = processes.global_rank
    found = {}
    for case, spoil in CASES.items():
        path = folder / f"{case}.pt"
        training = _training(processes)
        training.epoch = EPOCH
        training.save(path)
        if case == "broken" and rank == 0:
            path.write_bytes(path.read_bytes()[:3000])
        processes.barrier()
        training = _training(processes)
        try:
            with spoil(rank):
                training.resume(path)
            found[case] = str(training.epoch)
        except Exception as error:
            found[case] = f"{type(error).__name__}: {error}"
        processes.barrier()
        found[f"{case} stays"] = str(path.exists())
    (folder / f"found.{rank}.json").write_text(json.dumps(found))


def _training(processes: Fabric) -> AttentionTraining:
    torch.manual_seed(0)
    backbone = Backbone("tiny_cnn", TinyCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    network = AttentionMechanism((8, 12, 16), 5)
    return AttentionTraining(backbone, network, backbone.layers, LOSS, RECIPE, 0.05, 12, processes=processes)


@contextmanager
def _nothing(_: int) -> Iterator[None]:
    yield


def _replacing(of: object, name: str, rank: int, other: Callable[..., object]) -> Spoil:
    """In the process of this rank alone."""

    @contextmanager
    def spoil(mine: int) -> Iterator[None]:
        before = getattr(of, name)
        if mine == rank:
            setattr(of, name, other)
        try:
            yield
        finally:
            setattr(of, name, before)

    return spoil


def _out_of_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError("out of memory")


def _unreadable(*_: object, **__: object) -> None:
    raise OSError(5, "Input/output error")


CASES: dict[str, Spoil] = {
    "same": _nothing,
    "broken": _nothing,
    "unseen": _replacing(Path, "exists", 1, lambda _: False),
    "memory": _replacing(torch, "load", 1, _out_of_memory),
    "memory_of_first": _replacing(torch, "load", 0, _out_of_memory),
    "restoring": _replacing(AttentionTraining, "_restore", 1, _out_of_memory),
    "disk": _replacing(Path, "read_bytes", 0, _unreadable),
}
"""What is different for one of the processes."""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
