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


def test_unknown_model(experiment, capsys) -> None:
    experiment()
    assert main(["layers", "resnet55"]) == 1
    assert "unknown model 'resnet55'; did you mean" in capsys.readouterr().err
