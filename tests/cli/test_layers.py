from __future__ import annotations

import pytest

from ttame.cli.main import main

from .conftest import run


def _rows(output: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines()]
    return {cells[0]: cells[1:] for cells in lines[2:]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "shapes", "target"),
    [
        ("resnet50", {"layer2": "512 x 28 x 28", "layer3": "1024 x 14 x 14", "layer4": "2048 x 7 x 7"}, "layer4.2"),
        (
            "vit_b_16",
            {f"encoder.layers.encoder_layer_{block}.ln_1": "197 x 768" for block in (9, 10, 11)},
            "encoder.layers.encoder_layer_11.ln_1",
        ),
        ("shapes_cnn", {"layer1": None, "layer2": None, "layer3": None}, "layer3"),
    ],
)
def test_layers_of_the_paper_are_among_the_candidates(experiment, capsys, model, shapes, target) -> None:
    experiment()
    run("layers", model)
    rows = _rows(capsys.readouterr().out)
    assert {name for name, cells in rows.items() if cells[3] == "yes"} == set(shapes)
    assert [name for name, cells in rows.items() if cells[4] == "yes"] == [target]
    assert all(shape in (None, rows[name][1]) for name, shape in shapes.items())
    assert len(rows) > len(shapes)


OWN = """
import torch
from torch import nn

class Ensemble(nn.Module):
    pretrained_cfg = {"input_size": (3, 32, 32)}

    def __init__(self):
        super().__init__()
        self.first, self.second = member(), member()

    def forward(self, images):
        return self.first(images) + self.second(images)

def member():
    return nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 8, 3, 2, 1), nn.Flatten(), nn.Linear(128, 3))

def flat():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    model.pretrained_cfg = Ensemble.pretrained_cfg
    return model
"""


@pytest.mark.parametrize(
    ("function", "row", "last"),
    [
        ("Ensemble", ["second.1", "Conv2d", "8 x 4 x 4", "(C, 4, 4)", "", ""], "'first' and 'second' see the image"),
        ("flat", ["1", "Linear", "4", "gives (B, 4)"], "found no feature maps by rule. To explain it, let what has"),
    ],
)
def test_where_nothing_is_chosen_there_is_what_to_choose_from(experiment, capsys, function, row, last) -> None:
    (experiment() / "own_layers.py").write_text(OWN)
    run("layers", f"own_layers:{function}")
    said = capsys.readouterr().out
    table, _, line = said.rstrip().rpartition("\n")
    assert [row[0], *_rows(table)[row[0]]] == row
    assert line.startswith(f"Nothing is chosen for own_layers:{function}: {last}")
    assert "as layers, and the last of them as target_layer: under its key of models in params.yaml" in line


def test_unknown_model(experiment, capsys) -> None:
    experiment()
    assert main(["layers", "resnet55"]) == 1
    assert "unknown model 'resnet55'; did you mean" in capsys.readouterr().err
