"""The judge through the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttame.cli.main import main
from ttame.measures.judged_fidelity import JudgedFidelity
from ttame.metrics.masking import saliency_map
from ttame.params.active import load_settings
from ttame.runtime.seeding import image_seed
from ttame.stages.subject import Subject
from ttame.store.undefined import undefined_reason

from ..conftest import whole_maps
from .conftest import run
from .measured import RESULTS, change, rows_of


@pytest.mark.slow
def test_a_judge_that_learns_nothing_is_left_out_with_a_line(measured: Path) -> None:
    change(judged_fidelity={"steps": 2, "batch_size": 4, "learning_rate": 1.0, "draws": 2})
    run("basis", "shapes_cnn", "judged_fidelity")
    reason = str(undefined_reason(RESULTS / "basis/shapes_cnn/judged_fidelity.safetensors"))
    assert "give measures.judged_fidelity more steps or another learning_rate" in reason


@pytest.mark.slow
def test_a_killed_fine_tuning_goes_on_and_ends_with_the_same_judge(measured: Path, monkeypatch) -> None:
    change(judged_fidelity={"steps": 30, "batch_size": 2, "learning_rate": 1e-6})
    run("basis", "shapes_cnn", "judged_fidelity")
    path = RESULTS / "basis/shapes_cnn/judged_fidelity.safetensors"
    unbroken = path.read_bytes()
    assert undefined_reason(path) is None
    path.unlink()
    started, removal = [], JudgedFidelity._with_removal

    def dies(self, subject, clean, names):
        started.append(names[0])
        if started == [f"step-{step}-0" for step in range(29)]:
            raise KeyboardInterrupt
        return removal(self, subject, clean, names)

    monkeypatch.setattr(JudgedFidelity, "_with_removal", dies)
    assert main(["basis", "shapes_cnn", "judged_fidelity"]) != 0
    assert not path.exists()
    started.clear()
    run("basis", "shapes_cnn", "judged_fidelity")
    assert [name for name in started if name.startswith("step")] == [f"step-{step}-0" for step in range(25, 30)]
    assert path.read_bytes() == unbroken


@pytest.mark.slow
def test_a_judge_that_stays_as_it_is_gives_the_loops_fidelity(measured: Path) -> None:
    """With a rate of nearly nothing the judge is the classifier, and every removal can be made again by hand."""
    change(judged_fidelity={"steps": 1, "batch_size": 1, "learning_rate": 1e-30, "draws": 3, "shares": [20, 60]})
    run("basis", "shapes_cnn", "judged_fidelity")
    run("measure", "shapes_cnn", "gradcam", "judged_fidelity")
    rows = rows_of("gradcam", "judged_fidelity")
    settings = load_settings(Path("params.yaml"))
    subject = Subject(settings, "shapes_cnn")
    maps = whole_maps(RESULTS / "maps/shapes_cnn/gradcam.safetensors")
    for place in (0, 17):
        image = subject.backbone.normalise(next(subject.images.load([[place]])))
        saliency = saliency_map(maps.maps[place][None], (64, 64))[0]
        order = sorted(range(4096), key=lambda pixel: (-saliency.flatten()[pixel].item(), pixel))
        random = np.random.default_rng(image_seed(1, maps.names[place]))
        lost: dict[str, list[float]] = {"fid_plus": [], "fid_minus": []}
        for share in (20, 60):
            top = round(4096 * share / 100)
            for column, chosen in (("fid_plus", order[:top]), ("fid_minus", order[top:])):
                for _ in range(3):
                    less = image.clone()
                    for pick in random.permutation(len(chosen))[: min(len(chosen) // 2, int(0.1 * 4096))]:
                        row, across = divmod(chosen[pick], 64)
                        less[0, :, row, across] = 0
                    lost[column].append(1.0 - float(subject.logits(less).argmax().item() == maps.targets[place].item()))
        for column, values in lost.items():
            assert rows[column][place] == pytest.approx(np.mean(values)), (place, column)
