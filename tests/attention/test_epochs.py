from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ttame.attention import epochs
from ttame.attention.epochs import part_of_process, train
from ttame.attention.history import StepResult
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.cli.main import main
from ttame.data.dataset import ImageDataset
from ttame.data.sources import FolderSource
from ttame.data.transforms import Preprocessing
from ttame.errors import Stopped

from ..conftest import IMAGENET
from .recipe import LOSS, RECIPE


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[[int | None], ImageDataset]:
    random = np.random.default_rng(0)
    for index in range(18):
        pixels = random.integers(0, 256, (40, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index:02d}.png")
    names = [f"{index:02d}.png" for index in range(18)]
    preprocessing = Preprocessing((32, 32), 36, "bilinear", *IMAGENET)
    return lambda seed: ImageDataset(FolderSource(tmp_path), names, preprocessing, seed)


def _training(backbone: Backbone, rate: float = 0.05) -> AttentionTraining:
    torch.manual_seed(1)
    network = AttentionMechanism((8, 12, 16), 5)
    return AttentionTraining(backbone, network, backbone.layers, LOSS, RECIPE, rate, total_steps=3 * 4)


def test_backbone_is_bit_identical_after_training(tiny_cnn, dataset, tmp_path) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_cnn.state_dict().items()}
    training = _training(tiny_cnn)
    untrained = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    train(training, dataset(3), dataset(None), 0, tmp_path / "state.pt", 10)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_cnn.state_dict().items())
    assert not torch.equal(training.network.state_dict()["fuser.weight"], untrained["fuser.weight"])
    assert training.counts.sum() == 3 * 16  # whole batches of 4 out of 18 images, three times
    assert [row["epoch"] for row in training.history] == [1, 2, 3]


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_training_ends_with_the_weights_of_an_unbroken_one(tiny_cnn, dataset, tmp_path, workers) -> None:
    unbroken = _training(tiny_cnn)
    train(unbroken, dataset(3), dataset(None), 0, tmp_path / "unbroken.pt", 10)

    killed = _training(tiny_cnn)
    saved = 0

    def die_in_the_second_epoch(images: torch.Tensor, names: Sequence[str]) -> StepResult:
        nonlocal saved
        saved += 1
        if saved == 6:
            raise KeyboardInterrupt
        return AttentionTraining.step(killed, images, names)

    killed.step = die_in_the_second_epoch  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        train(killed, dataset(3), dataset(None), 0, tmp_path / "killed.pt", 10)

    resumed = _training(tiny_cnn)
    train(resumed, dataset(3), dataset(None), workers, tmp_path / "killed.pt", 10)
    for name, tensor in unbroken.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    assert torch.equal(unbroken.counts, resumed.counts)


def _interrupted(training: AttentionTraining, calls: int, action: Callable[[], None]) -> None:
    """Let `action` happen within the step of that number."""
    done = 0

    def step(images: torch.Tensor, names: Sequence[str]) -> StepResult:
        nonlocal done
        done += 1
        result = AttentionTraining.step(training, images, names)
        if done == calls:
            action()
        return result

    training.step = step  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_and_the_next_run_goes_on_at_the_same_batch(tiny_cnn, dataset, tmp_path, number) -> None:
    handler = signal.getsignal(number)
    unbroken = _training(tiny_cnn)
    train(unbroken, dataset(3), dataset(None), 0, tmp_path / "unbroken.pt", 10)
    stopped = _training(tiny_cnn)
    _interrupted(stopped, 6, lambda: os.kill(os.getpid(), number))
    state = tmp_path / "stopped.pt"
    with pytest.raises(Stopped, match="in epoch 2 after 2 of 4 batches; what is finished is kept") as raised:
        train(stopped, dataset(3), dataset(None), 0, state, 10)
    assert raised.value.number == number
    assert signal.getsignal(number) == handler
    resumed = _training(tiny_cnn)
    resumed.resume(state)
    assert (resumed.epoch, resumed.batches) == (1, 2)
    resumed = _training(tiny_cnn)
    train(resumed, dataset(3), dataset(None), 0, state, 10)
    for name, tensor in unbroken.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    for row, expected in zip(resumed.history, unbroken.history, strict=True):
        del row["images_per_second"], expected["images_per_second"]
        assert row == pytest.approx(expected, rel=1e-12)


def test_state_every_so_many_minutes(tiny_cnn, dataset, tmp_path) -> None:
    for minutes, batches in ((0.0, 2), (10.0, 0)):
        killed = _training(tiny_cnn)

        def die() -> None:
            raise KeyboardInterrupt

        _interrupted(killed, 7, die)
        state = tmp_path / f"{minutes}.pt"
        with pytest.raises(KeyboardInterrupt):
            train(killed, dataset(3), dataset(None), 0, state, minutes)
        resumed = _training(tiny_cnn)
        resumed.resume(state)
        assert (resumed.epoch, resumed.batches) == (1, batches)


def test_steps_hold_whole_batches(tiny_cnn, dataset, tmp_path) -> None:
    training = _training(tiny_cnn)
    training.recipe = RECIPE.model_copy(update={"accumulate": 3, "epochs": 1})
    train(training, dataset(3), dataset(None), 0, tmp_path / "state.pt", 10)
    assert training.counts.sum() == 12, "18 images hold one step of 3 batches of 4"
    assert [part_of_process([5, 6, 7, 8], rank, 2) for rank in range(2)] == [[5, 6], [7, 8]]


def _train_in(folder: str, ending: signal.Signals | None, steps: int) -> None:
    """Train, and send itself a signal when it has done so many steps; in a process of its own."""
    step = AttentionTraining.step
    done = 0

    def counted(training: AttentionTraining, *arguments: Any) -> StepResult:
        nonlocal done
        result = step(training, *arguments)
        done += 1
        if done == steps and ending is not None:
            os.kill(os.getpid(), ending)
        return result

    AttentionTraining.step = counted  # type: ignore[method-assign, assignment]
    os.chdir(folder)
    raise SystemExit(main(["train", "shapes_cnn", "ttame"]))


@pytest.mark.slow
def test_killed_at_ten_random_points_the_weights_are_those_of_an_unbroken_run(experiment) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ttame.stages.train"])

    def train_in(folder: Path, ending: signal.Signals | None = None, steps: int = 0) -> int | None:
        process = context.Process(target=_train_in, args=(str(folder), ending, steps))
        process.start()
        process.join()
        return process.exitcode

    unbroken, killed = (experiment(name, checkpoint_minutes=0.0) for name in ("unbroken", "killed"))
    for folder in (unbroken, killed):
        text = (folder / "params.yaml").read_text()
        (folder / "params.yaml").write_text(text.replace("epochs: 2", "epochs: 12"))
        os.chdir(folder)
        assert main(["datalists"]) == 0
    weights = Path("results/tiny/attention/shapes_cnn/ttame.seed1.safetensors")
    assert train_in(unbroken) == 0
    chance = random.Random(1)
    # At most 30 steps of the 36 in ten lives.
    endings = [
        train_in(killed, signal.SIGTERM if life % 2 else signal.SIGKILL, chance.randint(1, 3)) for life in range(10)
    ]
    assert endings == [-signal.SIGKILL, 128 + signal.SIGTERM] * 5
    assert train_in(killed) == 0
    expected, found = load_file(unbroken / weights), load_file(killed / weights)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert expected.keys() == found.keys()


def test_no_speed_is_noted_where_no_step_was_left_to_measure(tiny_cnn, dataset, tmp_path, monkeypatch) -> None:
    validate = epochs.validate

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(epochs, "validate", die)
    with pytest.raises(KeyboardInterrupt):
        train(_training(tiny_cnn), dataset(3), dataset(None), 0, tmp_path / "state.pt", 10)
    monkeypatch.setattr(epochs, "validate", validate)
    resumed = _training(tiny_cnn)
    train(resumed, dataset(3), dataset(None), 0, tmp_path / "state.pt", 10)
    speeds = [row["images_per_second"] for row in resumed.history]
    assert np.isnan(speeds[0])
    assert min(speeds[1:]) > 0
