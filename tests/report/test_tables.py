"""Marks, Markdown and LaTeX, and the tables stage on scores made by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ttame.cli.main import main
from ttame.measures.column import Column
from ttame.report import latex
from ttame.report.comparisons import compare
from ttame.report.markdown import number
from ttame.report.marks import mark_cells, rank_methods

from ..stages.conftest import tiny_params
from .results_by_hand import write_scores

AD = Column("ad_100", "AD(100)", "lower")


def _values(**means: float) -> dict[str, pd.DataFrame]:
    noise = np.random.default_rng(0).standard_normal((40, len(means)))
    noise -= noise.mean(axis=0)
    return {
        name.replace("_pp", "++"): pd.DataFrame({"ad_100": mean + noise[:, index]})
        for index, (name, mean) in enumerate(means.items())
    }


def _marks(values: dict[str, pd.DataFrame], column: Column = AD) -> dict[tuple[str, str], str]:
    rankings = rank_methods(values, [column])
    return {**mark_cells(rankings, compare([ranking.family for ranking in rankings], values, 1000, 1))}


def test_best_second_and_what_ties_with_the_best() -> None:
    marks = _marks(_values(center=0.0, gradcam=5.0, gradcam_pp=1.0, rise=1.05, ttame=3.0))
    assert marks == {("gradcam++", "ad_100"): "best", ("rise", "ad_100"): "tied second"}
    marks = _marks(_values(gradcam=5.0, rise=1.0, ttame=3.0))
    assert marks == {("rise", "ad_100"): "best", ("ttame", "ad_100"): "second"}


def test_higher_is_better_turns_the_order_round() -> None:
    higher = Column("ad_100", "IC", "higher")
    assert _marks(_values(gradcam=5.0, ttame=3.0), higher)["gradcam", "ad_100"] == "best"


def test_equal_means_are_all_the_best() -> None:
    values = _values(gradcam=1.0, rise=2.0, ttame=3.0)
    values["rise"] = values["gradcam"]
    marks = _marks(values)
    assert marks == {("gradcam", "ad_100"): "best", ("rise", "ad_100"): "best", ("ttame", "ad_100"): "second"}


def test_where_all_means_are_equal_nothing_is_marked() -> None:
    values = _values(center=0.0, gradcam=1.0, ttame=3.0)
    assert _marks({"center": values["center"], "gradcam": values["gradcam"], "ttame": values["gradcam"]}) == {}


@pytest.fixture
def scored(tmp_path: Path, params: dict[str, Any], monkeypatch) -> Any:
    """A folder with params and a list; call it to write the scores of some methods."""
    settings = tiny_params(params)
    settings["experiment"] = "a_b"
    settings["report"]["resamples"] = 200
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(settings))

    def write(methods: list[str], images: int = 6) -> Path:
        results = Path("results/a_b")
        (results / "datalists").mkdir(parents=True, exist_ok=True)
        names = [f"shape_{number}" for number in range(images)]
        (results / "datalists/evaluation.txt").write_text("".join(f"{name}\n" for name in names))
        for index, method in enumerate(methods):
            named = f"{method}.seed1" if "ttame" in method else method
            sanity = results / "sanity/shapes_cnn" / f"{named}.csv"
            sanity.parent.mkdir(parents=True, exist_ok=True)
            sanity.write_text("name,depth_1,depth_50,depth_100\na,0.5,0.25,0.1\nb,0.7,0.35,-0.1\n")
            write_scores(results / "scores/shapes_cnn" / f"{named}.parquet", names, index)
        return results / "tables"

    return write


METHODS = ["random", "center", "gradcam", "ttame"]
FROM_CAM = {"scale": "auto", "range": 12.0, "images": 100}


def test_every_table_is_written_and_agrees_with_the_scores(scored) -> None:
    folder = scored(METHODS)
    assert main(["tables"]) == 0
    statistics = pd.read_csv(folder / "statistics.csv").set_index(["method", "column"])
    row: Any = statistics.loc[("gradcam", "deletion")]
    scores = pd.read_parquet(folder.parent / "scores/shapes_cnn/gradcam.parquet")
    reference = pd.read_parquet(folder.parent / "scores/shapes_cnn/ttame.seed1.parquet")
    assert row["mean"] == pytest.approx(100 * scores["deletion"].mean(), rel=1e-5)
    assert row["low"] < row["mean"] < row["high"]
    assert row["difference"] == pytest.approx(100 * (scores["deletion"] - reference["deletion"]).mean(), rel=1e-4)
    metrics = json.loads((folder / "metrics/shapes_cnn/gradcam.json").read_text())
    assert list(metrics) == ["ad_100", "ic_100", "road_morf", "road_lerf", "deletion", "insertion", "adcc"]
    assert metrics["deletion"] == pytest.approx(row["mean"], abs=0.006)
    page = (folder / "results.md").read_text()
    assert "Difference to T-TAME" in page
    sanity = pd.read_csv(folder / "sanity.csv").set_index("method")
    assert sanity[["depth_1", "depth_50", "depth_100"]].to_numpy() == pytest.approx(np.array([[0.6, 0.3, 0.0]] * 4))
    assert "Without scores" not in page


def test_a_missing_method_is_named_and_the_rest_is_made(scored, capsys) -> None:
    folder = scored(METHODS[:-1])
    assert main(["tables"]) == 0
    assert "ttame.seed1.parquet: no such scores; ttame is left out" in capsys.readouterr().err
    page = (folder / "results.md").read_text()
    assert "Without scores, so left out here: T-TAME." in page
    assert "Difference to" not in page


def test_every_pair_has_metrics_and_no_other(scored) -> None:
    folder = scored(METHODS[:-1])
    stale = folder / "metrics/shapes_cnn/gone.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    assert main(["tables"]) == 0
    found = {path.name: json.loads(path.read_text()) for path in (folder / "metrics").rglob("*.json")}
    assert {name: len(numbers) for name, numbers in found.items()} == {
        "random.json": 7,
        "center.json": 7,
        "gradcam.json": 7,
        "ttame.json": 0,
    }


@pytest.mark.parametrize(
    ("method", "warm_start", "keeps_cam"),
    [("ttame_ranked", None, False), ("ttame_ranked", FROM_CAM, True), ("ttame", FROM_CAM, False)],
)
def test_classes_that_training_never_met_keep_cam_where_it_starts_as_that(
    scored, method, warm_start, keeps_cam
) -> None:
    params = json.loads(Path("params.yaml").read_text())
    params["methods"]["trained"] = [method]
    params["attention"] = {method: params["attention"]["ttame"]}
    params["attention"][method]["mechanism"]["warm_start"] = warm_start
    Path("params.yaml").write_text(json.dumps(params))
    folder = scored([*METHODS[:-1], method])
    scores = folder.parent / f"scores/shapes_cnn/{method}.seed1.parquet"
    pd.read_parquet(scores).assign(training_count=[0, 0, 0, 1, 2, 3]).to_parquet(scores)
    assert main(["tables"]) == 0
    files = {"results.md": " 50.0 CAM |", "comparison.tex": r" & 50.0 CAM \\"}
    for name, cell in files.items():
        assert (cell in (folder / name).read_text()) == keeps_cam, name
    seen = (folder / "results.md").read_text().partition("3 of 6 images")[2]
    assert "0.0 CAM" not in seen, "of the classes that it met none keeps it"
    assert ("untrained_is_cam" in (folder / "results.csv").read_text()) == keeps_cam


def test_what_is_shown_as_zero_has_no_sign() -> None:
    assert number(-0.04, AD) == "0.0"
    assert number(-0.06, AD) == "-0.1"


def test_one_image_and_one_method_have_no_intervals(scored) -> None:
    folder = scored(["gradcam"], images=1)
    assert main(["tables"]) == 0
    assert "(n/a)" in (folder / "results.md").read_text()
    assert pd.read_csv(folder / "statistics.csv")["low"].isna().all()


def test_scores_of_fewer_images_are_refused_with_both_counts(scored, capsys) -> None:
    scored(METHODS, images=4)
    scored([], images=6)
    assert main(["tables"]) == 1
    assert "scores of 4 images, but the evaluation list names 6" in capsys.readouterr().err


def test_no_scores_at_all_is_an_error(scored, capsys) -> None:
    scored([])
    assert main(["tables"]) == 1
    assert "no scores of any method; run `python -m ttame scores shapes_cnn random` first" in capsys.readouterr().err


def test_latex_specials_are_escaped(scored) -> None:
    folder = scored(METHODS)
    assert main(["tables"]) == 0
    for name in ("comparison", "road", "sanity"):
        text = (folder / f"{name}.tex").read_text()
        assert r"\multicolumn" in text
        assert r"shapes\_cnn" in text
        assert r"a\_b" in text
        assert "↓" not in text
    assert latex.escape("100 % & #1_{x}~^\\") == (
        r"100 \% \& \#1\_\{x\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX")
def test_latex_compiles(scored) -> None:
    folder = scored(METHODS)
    assert main(["tables"]) == 0
    document = (
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
        r"\input{comparison}\input{road}\input{sanity}\end{document}"
    )
    (folder / "all.tex").write_text(document)
    done = subprocess.run(["pdflatex", "-halt-on-error", "-interaction=batchmode", "all.tex"], cwd=folder, check=False)
    assert done.returncode == 0, (folder / "all.log").read_text()
    assert (folder / "all.pdf").stat().st_size > 10_000
