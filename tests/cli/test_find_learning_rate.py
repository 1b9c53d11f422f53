from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ttame.cli.main import main

from .conftest import run


def test_figure_numbers_and_suggestion(experiment, capsys) -> None:
    experiment()
    run("datalists")
    run("find-lr", "shapes_cnn", "ttame", "--steps", "12", "--lowest", "1e-4", "--highest", "1")
    output = capsys.readouterr().out
    folder = Path("results/tiny/learning_rate/shapes_cnn")
    found = pd.read_csv(folder / "ttame.csv")
    assert len(found) == 12, "more steps than an epoch of three batches has"
    suggestion = found["learning_rate"].iloc[int(found["smoothed_loss"].argmin())] / 10
    assert f"attention.ttame.learning_rate.shapes_cnn: {suggestion:.2g}" in output
    assert np.asarray(Image.open(folder / "ttame.png")).std() > 0
    assert main(["find-lr", "shapes_cnn", "ttame", "--lowest", "2", "--highest", "1"]) == 1
    capsys.readouterr()
    odd = [("--steps", "-1"), ("--steps", "0"), ("--lowest", "0"), ("--lowest", "nan"), ("--highest", "inf")]
    for option, value in odd:
        assert main(["find-lr", "shapes_cnn", "ttame", option, value]) == 1
        assert option in capsys.readouterr().err
    assert main(["find-lr", "shapes_cnn", "gradcam"]) == 1
    assert "it has ttame" in capsys.readouterr().err
