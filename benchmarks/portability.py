"""The same bytes on another processor: which library's choice changes what, and what portable arithmetic costs.

Pieces of the pipeline run on a few rendered images, for every setting in a process of its own, and each gives a digest
of what it computed. Other processors are emulated by QEMU's user mode (`qemu-x86_64`, Debian's package qemu-user): it
shows a process the maker, the caches and the instructions of another processor, AVX2 at most.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.photographs import REPOSITORY, settings_of
from ttame.attention.checkpoint import make_network
from ttame.attention.designs import start_at
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.backbones.randomising import layers_from_output, randomise, restored
from ttame.data.sample import Sample
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import find
from ttame.metrics.imputation import impute_linear
from ttame.report.statistics import Differences, bootstrap_intervals, paired_p_values
from ttame.runtime.device import set_up_arithmetic
from ttame.runtime.portable import portable_environment
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

EMULATOR = "qemu-x86_64"
PROCESSORS = ("Haswell", "EPYC-Milan")
"""QEMU's names of a processor of Intel's and one of AMD's; 25 minutes each beside other work."""
IMAGES, TRAINED, STEPS, MASKS, ROUNDS = 2, 16, 2, 20, 5
Numbers = Tensor | NDArray[np.generic] | bytes
Piece = Callable[[], Iterable[Numbers]]
Found = dict[str, tuple[str, float]]
"""Digest and CPU seconds of every piece."""
Row = list[str]


def rows() -> list[Row]:
    """For every piece: the variables that change its bytes here, whether processors agree without and with all of
    them, and the CPU time with them as a multiple of that without.
    """
    portable = portable_environment()
    plain, fixed = _measure({}, ROUNDS), _measure(portable, ROUNDS)
    alone = {name: _measure({name: value}) for name, value in portable.items()}
    emulated = PROCESSORS if shutil.which(EMULATOR) else ()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        loose = [plain, *pool.map(partial(_measure, {}, 1), emulated)]
        tight = [fixed, *pool.map(partial(_measure, portable, 1), emulated)]
    found = []
    for piece in plain:
        changing = [name for name, other in alone.items() if other[piece][0] != plain[piece][0]]
        row = [
            piece,
            ", ".join(changing) or "none",
            _kinds([run[piece][0] for run in loose]),
            _kinds([run[piece][0] for run in tight]),
            f"{fixed[piece][1] / plain[piece][1]:.2f}",
        ]
        print(*row, sep=" | ", file=sys.stderr, flush=True)
        found.append(row)
    return found


def _kinds(digests: list[str]) -> str:
    """Which processors agree: a letter for each, this one first, the same letter for the same bytes."""
    letters = {digest: chr(ord("A") + number) for number, digest in enumerate(dict.fromkeys(digests))}
    return " ".join(letters[digest] for digest in digests)


def _measure(variables: Mapping[str, str], rounds: int = 1, processor: str | None = None) -> Found:
    """Run all pieces with these variables, here or on an emulated processor."""
    environment = {name: value for name, value in os.environ.items() if name not in portable_environment()}
    command = [sys.executable, "-m", "benchmarks.portability", str(rounds)]
    if processor is not None:
        command = [EMULATOR, "-cpu", processor, *command]
    output = subprocess.run(
        command, cwd=REPOSITORY, env={**environment, **variables}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    found: Found = json.loads(output.splitlines()[-1])
    return found


def pieces() -> dict[str, Piece]:
    """What the pipeline computes, in its order."""
    settings = settings_of("shapes")
    changed = {"device": "cpu", "threads": 1, "portable": False}  # the caller says
    set_up_arithmetic(settings.execution.model_copy(update=changed))
    rendered = [render(settings.data.seed, index) for index in range(TRAINED)]
    pixels = torch.from_numpy(np.stack([image.pixels for image in rendered])).permute(0, 3, 1, 2)
    images = to_unit_range(pixels).contiguous(memory_format=torch.channels_last)
    samples = [Sample(str(index), image.object_mask) for index, image in enumerate(rendered[:IMAGES])]
    batch = EvaluationBatch(0, images[:IMAGES], samples)
    options = {name: settings.options(name) for name in settings.methods.training_free} | {"rise": {"masks": MASKS}}

    def maps(backbone: Backbone, targets: Tensor, method: str) -> Iterable[Numbers]:
        explainer = make_explainer(method, backbone, options[method])
        return [explainer(backbone.normalise(batch.images), targets, samples).detach()]

    def trained(backbone: Backbone, method: str) -> Iterable[Numbers]:
        attention, training = settings.attention[method], find(method).training
        assert training is not None
        layers = backbone.layers if method == "ttame" else backbone.layers[-1:]
        torch.manual_seed(settings.methods.seeds[0])
        network = make_network(backbone, training.design, layers).train()
        if attention.mechanism.initial_bias is not None:
            start_at(network, attention.mechanism.initial_bias)
        rate = attention.rate_for(backbone.name)
        steps = AttentionTraining(
            backbone, network, layers, attention.loss, attention.recipe, rate, STEPS, training.masks
        )
        for _ in range(STEPS):
            steps.step(images)
        return list(network.state_dict().values())

    def randomised(backbone: Backbone) -> Iterable[Numbers]:
        with restored(backbone.model), torch.no_grad():
            randomise(layers_from_output(backbone.model), settings.sanity.seed)
            return [backbone(backbone.normalise(batch.images))]

    def scores(backbone: Backbone, targets: Tensor) -> Iterable[Numbers]:
        random = torch.from_numpy(np.random.default_rng(0).random((IMAGES, 8, 8), np.float32))
        given = Maps(
            names=[s.name for s in samples],
            maps=random,
            targets=targets,
            maps_of_masked=random,
            forward_passes=1,
            backward_passes=0,
            preprocessing=backbone.preprocessing,
        )
        with torch.no_grad():
            return list(score_batch(backbone, batch, given, settings.metrics).values())

    found: dict[str, Piece] = {
        "rendered images": lambda: [render(1, index).pixels for index in range(IMAGES)],
        "resized images": lambda: [_resized(image.pixels) for image in rendered],
    }
    for name in settings.backbones:
        backbone = load_backbone(name, settings.models[name])
        with torch.no_grad():
            targets = backbone(backbone.normalise(batch.images)).argmax(1)
        found[f"logits, {name}"] = partial(_logits, backbone, batch.images)
        kind = "transformer" if backbone.is_transformer else "CNN"
        for method in (method for method in settings.methods.training_free if kind in find(method).works_on):
            found[f"maps of {method}, {name}"] = partial(maps, backbone, targets, method)
        for method in ("lcam_img", "lcam_fm", "ttame"):
            found[f"{STEPS} steps of {method}, {name}"] = partial(trained, backbone, method)
        found[f"randomised classifier, {name}"] = partial(randomised, backbone)
        found[f"scores, {name}"] = partial(scores, backbone, targets)
    random = np.random.default_rng(0)
    removed = torch.from_numpy(random.random((TRAINED, *images.shape[2:])) < 0.7)
    found["ROAD's fills"] = lambda: [impute_linear(images, removed)]
    table = random.random((50, 25))
    found["intervals and tests"] = lambda: [
        bootstrap_intervals([table], 2000, 1),
        paired_p_values(Differences.to_zero(table - 0.5), 2000, 1),
    ]
    found["Parquet and CSV"] = lambda: list(_files(table))
    return found


def _logits(backbone: Backbone, images: Tensor) -> Iterable[Numbers]:
    with torch.no_grad():
        return [backbone(backbone.normalise(images))]


def _resized(pixels: NDArray[np.uint8]) -> Numbers:
    return np.asarray(Image.fromarray(pixels).resize((149, 224), Image.Resampling.BICUBIC))


def _files(table: NDArray[np.float64]) -> Iterable[Numbers]:
    frame = pd.DataFrame(table, columns=[str(number) for number in range(table.shape[1])])
    binary = io.BytesIO()
    frame.to_parquet(binary, index=False)
    return binary.getvalue(), frame.to_csv(float_format="%.6g").encode()


def _digest(numbers: Iterable[Numbers]) -> str:
    digest = hashlib.sha256()
    for piece in numbers:
        plain = piece.contiguous().numpy() if isinstance(piece, Tensor) else piece
        digest.update(plain if isinstance(plain, bytes) else np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()


def main() -> None:
    """Print digest and CPU seconds of every piece; the fastest of so many rounds, the first of which warms up."""
    found: Found = {}
    for name, run in pieces().items():
        seconds = []
        for _ in range(int(sys.argv[1])):
            started = time.process_time()
            numbers = run()
            seconds.append(time.process_time() - started)
        found[name] = _digest(numbers), min(seconds)
        print(name, file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
