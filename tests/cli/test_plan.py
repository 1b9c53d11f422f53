from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ttame.cli.costs import Cost, Known
from ttame.cli.main import main
from ttame.cli.planned_rows import planned_rows
from ttame.explainers.registry import title
from ttame.params.reading import parse_settings
from ttame.params.section import Split

from ..conftest import whole_maps
from .conftest import run


def _rows(output: str, *headings: str) -> list[dict[str, str]]:
    """Of the table that begins with these headings, by default that of the jobs."""
    found = r"\|".join(rf" *{re.escape(heading)} *" for heading in headings or ("Stage", "Backbone"))
    table = re.search(rf"^\|{found}\|.*\n(?:\|.*\n)*", output, re.MULTILINE)
    assert table is not None, output
    lines = table[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def _row(output: str, stage: str, method: str) -> dict[str, str]:
    return next(row for row in _rows(output) if (row["Stage"], row["Method"]) == (stage, title(method)))


def test_a_training_that_would_be_refused_has_no_plan(experiment, capsys) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["attention"]["ttame"]["recipe"]["batch_size"] = 64
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert main(["plan"]) == 1
    assert "the training list: 24 images do not fill a step of 64; lower attention.ttame" in capsys.readouterr().err


def test_devices_of_a_plan_and_the_costs_of_another(experiment, capsys, monkeypatch) -> None:
    folder = experiment(parts=2)
    assert main(["plan", "--devices", "0"]) == 1
    assert "--devices: 0 should be at least 1" in capsys.readouterr().err
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["execution"]["devices"] = 2
    Path("two.yaml").write_text(yaml.safe_dump(params))
    with monkeypatch.context() as patched:
        patched.setattr("ttame.cli.plan.planned_rows", None)  # nothing is measured for it
        assert main(["plan", "--params", "two.yaml", "--devices", "1"]) == 1
    assert "--devices: 1 are fewer than the 2 that train together" in capsys.readouterr().err
    run("plan", "--devices", "4")
    plan = capsys.readouterr().out
    assert "On 4 of these at once, where the work over the devices is " in plan
    by_parts = {row["execution.parts"]: row for row in _rows(plan, "execution.parts")}
    assert set(by_parts) == {"2", "1", "auto"}
    assert by_parts["1"]["Jobs"] == by_parts["auto"]["Jobs"], "no part of this is two minutes"
    assert int(by_parts["2"]["Jobs"]) == int(by_parts["1"]["Jobs"]) + 2 * 3 * 4
    assert "Where the time goes:" in plan
    assert {row["Stage"] for row in _rows(plan, "Stage", "Jobs")} >= {"maps", "scores", "train", "basis"}

    kept = folder / "logs/tiny/plan.json"
    costs = json.loads(kept.read_text())
    costs["device"] = "a GPU of another place"
    costs["costs"]["shapes_cnn"]["map gradcam"]["seconds"] = 7200
    del costs["jobs"]
    (folder / "gpu.json").write_text(json.dumps(costs))
    costs["options"]["explainers"]["gradcam"] = {"made_up": 3}
    costs["options"]["attention"]["ttame"]["feature_layers"] = [-1]
    (folder / "gpu.json").write_text(json.dumps(costs))
    before = kept.read_text()
    run("plan", "--costs", "gpu.json")
    assert kept.read_text() == before, "a question changes nothing"
    assert "The engine does not go by this plan" in capsys.readouterr().out
    run("plan", "--costs", "gpu.json", "--devices", "4", "--keep")
    told, warned = capsys.readouterr()
    assert warned.count("warning: gpu.json: its costs were measured with other options than ") == 1
    assert "attention.ttame.feature_layers: all" in warned
    assert "on a GPU of another place, by the costs in gpu.json, not measured here" in " ".join(told.split())
    assert float(_row(told, "maps", "gradcam")["Hours"]) == 40
    assert _row(told, "scores", "gradcam")["Forward"] == _row(plan, "scores", "gradcam")["Forward"]
    jobs = {(job["stage"], job["method"]): job["hours"] for job in json.loads(kept.read_text())["jobs"]}
    assert jobs["maps", "gradcam"] == 40, "the engine finds what was told"
    assert json.loads(kept.read_text())["at_once"] == 4

    del costs["costs"]["shapes_cnn"]["train ttame"]
    (folder / "gpu.json").write_text(json.dumps(costs))
    assert main(["plan", "--costs", "gpu.json"]) == 1
    assert "--costs: nothing of 'train ttame' on shapes_cnn; name the plan of" in capsys.readouterr().err


def test_a_judge_is_trained_once_and_asked_at_every_step_of_noise(experiment) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"] |= {"training_free": ["random"], "trained": []}
    settings = {
        taken: parse_settings(params | {"measures": {"taken": [taken]}})
        for taken in ("single_deletion", "judged_fidelity")
    }
    one = Cost(1.0, 1.0, fixed=10.0, each=1.0)
    told: Known = dict.fromkeys(("process", "forward", "fill", "map random"), one)
    images: dict[Split, int] = {"train": 24, "validation": 6, "evaluation": 10}
    judge = Cost(1.0, 1.0, 1.0, fixed=5000.0, each=7.0)
    rows, _ = planned_rows(settings["judged_fidelity"], images, {"shapes_cnn": told | {"judge": judge}})
    without, _ = planned_rows(settings["single_deletion"], images, {"shapes_cnn": told})
    by_stage = {row.stage: row for row in rows}
    options = settings["judged_fidelity"].measures.model_dump()["judged_fidelity"]
    assert by_stage["basis"].memory == 10 + 5000 + 7 * options["batch_size"]
    asked = by_stage["sensitivity"].cost.forward - {row.stage: row for row in without}["sensitivity"].cost.forward
    assert asked == 2 * 2 * options["draws"] * len(options["shares"]), "by the best of Fid+ and the best of Fid-"
    metrics = settings["single_deletion"].metrics
    of_shares = 3 * len(metrics.shares) * len(["itself", "masked"])
    of_orders = 2 * (1 + len(metrics.road.shares)) + 2 * (1 + metrics.insertion_deletion.steps)
    of_scores = by_stage["sensitivity"].cost.forward - asked
    assert of_scores == of_shares + of_orders + len(["adcc", "pointing_game", "mass_inside"]), (
        "a method for each column"
    )


@pytest.mark.slow
def test_plan_counts_what_the_stages_then_do(experiment, capsys) -> None:
    experiment(parts=3)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"]["training_free"] = ["ground_truth", "gradcam", "smoothgrad", "scorecam", "rise"]
    params["explainers"]["smoothgrad"] = {"largest": None, "draws": 50, "noise": 0.15, "seed": 1}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("plan")
    plan = capsys.readouterr().out
    assert (
        "24 train, 6 validation, 10 evaluation images, 27 jobs (maps, sanity, scores, truths in 3 parts each)" in plan
    )
    stages = [row["Stage"] for row in _rows(plan)]
    of_a_method = ["maps", "scores", "measure", "sanity"]
    assert stages == ["basis", "sensitivity", *of_a_method * 5, "train", *of_a_method, "all"]
    basis = next(row for row in _rows(plan) if row["Stage"] == "basis")
    assert (basis["Method"], basis["Images"], basis["Forward"]) == ("Single deletion", "10", "170")
    run("datalists")
    run("train", "shapes_cnn", "ttame")
    for method in ("gradcam", "smoothgrad", "scorecam", "rise", "ttame"):
        run("maps", "shapes_cnn", method)
        named = "ttame.seed1" if method == "ttame" else method
        found = whole_maps(Path(f"results/tiny/maps/shapes_cnn/{named}.safetensors"))
        planned = _row(plan, "maps", method)
        assert int(planned["Images"]) == 20
        assert int(planned["Forward"]) / 20 == pytest.approx(found.forward_passes, rel=0.1)
        assert int(planned["Backward"]) / 20 == found.backward_passes
        assert float(planned["Disk, MB"]) == pytest.approx(20 * 4 * found.maps[0].numel() / 1e6, rel=0.01)
    training = _row(plan, "train", "ttame")
    assert int(training["Images"]) == 2 * 24
    assert int(training["Forward"]) == 2 * int(training["Images"]) == 2 * int(training["Backward"])
    hours = [float(row["Hours"]) for row in _rows(plan)]
    assert hours[-1] == pytest.approx(sum(hours[:-1]), abs=0.007), "to two decimals on a slow machine"
    capsys.readouterr()
    run("plan")
    again = capsys.readouterr().out
    facts = json.loads(Path("logs/tiny/stages/train.shapes_cnn.ttame.1.json").read_text())
    assert float(_row(again, "train", "ttame")["Took, h"]) == pytest.approx(facts["seconds"] / 3600, abs=1e-4)
    assert _row(again, "scores", "ttame")["Took, h"] == "–"


@pytest.mark.parametrize(("design", "scale", "passes"), [("ttame", 0.2, 1), ("ttame_ranked", "auto", 2)])
def test_a_warm_start_has_its_place_in_the_plan(experiment, capsys, design, scale, passes) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"] |= {"training_free": [], "trained": [design]}
    section = params["attention"].pop("ttame")
    section["mechanism"]["warm_start"] = {"scale": scale, "range": 12.0, "images": 12}
    params["attention"] = {design: section}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("plan")
    row = _row(capsys.readouterr().out, "train", design)
    assert int(row["Images"]) == 48
    assert int(row["Forward"]) == 2 * 48 + passes * 12
    assert int(row["Backward"]) == 48 + 10 * 12, "a backward pass for each of the ten classes"
