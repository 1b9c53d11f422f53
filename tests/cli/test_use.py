"""Experiments: composed, kept, begun; nothing that a person wrote is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from PIL import Image

from ttame.cli.main import main
from ttame.data.shapes import render
from ttame.params.active import load_settings

from ..conftest import REPOSITORY
from .conftest import run


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    """A folder with the repository's experiments, the demo active."""
    (tmp_path / "experiments").mkdir()
    for path in (REPOSITORY / "experiments").glob("*.yaml"):
        (tmp_path / "experiments" / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    run("use", "shapes")
    return tmp_path


def _params() -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(Path("params.yaml").read_text())
    return found


def _fails(capsys, *arguments: str) -> str:
    assert main(arguments) == 1
    message: str = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_the_active_file_of_the_repository_is_what_use_writes(checkout) -> None:
    assert Path("params.yaml").read_text() == (REPOSITORY / "params.yaml").read_text()


def test_use_moves_no_experiment_and_comes_back(checkout) -> None:
    before = {path.name: path.read_bytes() for path in Path("experiments").iterdir()}
    active = Path("params.yaml").read_text()
    run("use", "photos")
    assert load_settings().experiment == "photos"
    run("use", "shapes")
    assert Path("params.yaml").read_text() == active
    assert {path.name: path.read_bytes() for path in Path("experiments").iterdir()} == before


def test_overrides_stand_above_the_file(checkout, capsys) -> None:
    run("use", "shapes", "metrics.coherency=true", "explainers.rise.masks=7", "data.counts={evaluation:\n  3}")
    settings = load_settings()
    assert (settings.metrics.coherency, settings.data.counts.evaluation, settings.data.counts.train) == (True, 3, 1000)
    assert settings.options("rise").model_dump()["masks"] == 7  # type: ignore[union-attr]
    for override, message in (
        ("metrics.coherenc=false", "metrics: unknown key 'coherenc'; did you mean 'coherency'"),
        ("report.seed=x", "report.seed: 'x' should be a valid integer"),
        ("metrics", "'metrics': expected key=value"),
        ("metrics.road=[", "not valid YAML"),
        ("=3", "expected key=value"),
    ):
        assert message in _fails(capsys, "use", "shapes", override)


def test_hand_edits_are_kept_or_dropped_on_request(checkout, capsys) -> None:
    text = Path("params.yaml").read_text().replace("masks: 100", "masks: 60")
    Path("params.yaml").write_text(text)
    assert "edited by hand (explainers.rise.masks); keep that with" in _fails(capsys, "use", "photos")
    assert Path("params.yaml").read_text() == text
    run("save", "few")
    assert yaml.safe_load(Path("experiments/few.yaml").read_text()) == {
        "base": "shapes",
        "explainers": {"rise": {"masks": 60}},
    }
    assert load_settings().experiment == "few"
    run("use", "photos")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("masks: 500", "masks: 60"))
    run("use", "shapes", "--force")
    assert load_settings().experiment == "shapes"


def test_save_says_what_differs_of_other_classifiers_and_methods_and_no_more(checkout, capsys) -> None:
    params = _params()
    params["backbones"] = ["shapes_cnn"]
    params["methods"] = {"training_free": ["gradcam"], "trained": ["ttame"], "seeds": [1]}
    Path("params.yaml").write_text("".join(_header()) + yaml.safe_dump(params, sort_keys=False))
    whole = load_settings()
    run("save", "small")
    written = yaml.safe_load(Path("experiments/small.yaml").read_text())
    assert written == {
        "base": "shapes",
        "backbones": ["shapes_cnn"],
        "methods": {"training_free": ["gradcam"], "trained": ["ttame"]},
    }
    assert (
        load_settings() == whole.model_copy(update={"experiment": "small"}) or load_settings().methods == whole.methods
    )
    assert "exists already; choose another name" in _fails(capsys, "save", "small")
    assert "is no name of an experiment" in _fails(capsys, "save", "a/b")


def _header() -> list[str]:
    return [line for line in Path("params.yaml").read_text().splitlines(keepends=True) if line.startswith("#")]


def test_an_experiment_that_changed_since_it_was_composed_is_seen(checkout, capsys) -> None:
    path = Path("experiments/shapes.yaml")
    path.write_text(path.read_text().replace("masks: 100", "masks: 50"))
    message = _fails(capsys, "results")
    assert "experiments/shapes.yaml, a base of it or a default changed since the file was composed" in message
    assert "run `python -m ttame use shapes`" in message
    run("use", "shapes")
    assert load_settings().explainers.model_dump()["rise"]["masks"] == 50


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "base: nowhere"}, "experiments/a.yaml: base: no experiment 'nowhere' beside it"),
        ({"a": "base: shaps"}, "did you mean 'shapes'"),
        ({"a": "base: b", "b": "base: c", "c": "base: a"}, "the bases go round in a circle, a -> b -> c -> a"),
        ({"a": "base: a"}, "the bases go round in a circle, a -> a"),
        ({"a": "base: [1]"}, "no experiment [1] beside it"),
        ({"a": "- 1"}, "experiments/a.yaml: the file should be keys and values"),
        ({"a": "experiment: b"}, "experiments/a.yaml: experiment: its name is that of the file, a"),
        ({"a": "base: photos\nmodels: {mien: {model: x}}"}, "models: 'mien' is not one of backbones"),
        ({"a": "base: photos\nbackbone: [x]"}, "unknown key 'backbone'; did you mean 'backbones'"),
        ({"a": "x: [1"}, "experiments/a.yaml: not valid YAML"),
        ({"a": "base: photos\nmetrics: 3"}, "metrics: 3 should be keys and values"),
        ({"a": "base: photos\nattention: {every: {recipe: {epoch: 2}}}"}, "unknown key 'epoch'; did you mean 'epochs'"),
    ],
)
def test_broken_experiments_are_one_line(checkout, capsys, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        Path("experiments", f"{name}.yaml").write_text(text)
    before = Path("params.yaml").read_text()
    assert message in _fails(capsys, "use", "a")
    assert Path("params.yaml").read_text() == before


def test_a_file_of_all_keys_of_an_earlier_version_says_what_to_run(checkout, capsys) -> None:
    params = _params()
    params["methods"] = {"training_free": ["gradcam"], "trained": [], "on_transformers": {"backbones": []}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    message = _fails(capsys, "tables")
    assert "methods: the key 'on_transformers' is gone" in message
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["attention"]["ttame"]["recipe"]["seed"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(params))
    message = _fails(capsys, "tables")
    assert "attention.ttame.recipe: the key 'seed' is gone" in message
    assert "methods.seeds" in message
    assert "`python -m ttame use NAME`" in message


def _pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for index in range(count):
        Image.fromarray(render(1, index).pixels).save(folder / f"{index}.png")


def test_new_writes_a_short_experiment_and_makes_it_active(checkout, capsys) -> None:
    _pictures(Path("photos"), 24)
    model = ["--model", "convnext_atto", "--weights", "none"]
    run("new", "mine", *model, "--train", "photos", "--evaluate", "photos")
    assert len(Path("experiments/mine.yaml").read_text().splitlines()) <= 12
    settings = load_settings()
    assert (settings.experiment, settings.backbones) == ("mine", ["convnext_atto"])
    assert settings.data.counts.model_dump() == {"train": None, "validation": 1, "evaluation": 6}
    assert {attention.recipe.batch_size for attention in settings.attention.values()} == {8}
    capsys.readouterr()
    again = ["new", "mine", *model, "--train", "photos", "--evaluate", "photos"]
    assert "exists already" in _fails(capsys, *again)
    again[1] = "other"
    assert "nowhere: no such folder" in _fails(capsys, *again[:-1], "nowhere")
    _pictures(Path("few"), 3)
    again[-3] = "few"
    assert "few: 3 images are too few" in _fails(capsys, *again)
    assert not Path("experiments/other.yaml").exists()


@pytest.mark.parametrize("folder", ["models/clip", "/data/clip", "./clip"])
def test_new_takes_a_model_of_a_folder_with_its_head(checkout, folder: str) -> None:
    _pictures(Path("photos"), 24)
    classifier = ["--model", f"hf:{folder}", "--head", "models/words.safetensors"]
    run("new", "words", *classifier, "--train", "photos", "--evaluate", "photos")
    settings = load_settings()
    (name,) = settings.backbones
    assert name == folder.lstrip("./").replace("/", "_")
    assert (settings.models[name].model, settings.models[name].head) == (f"hf:{folder}", "models/words.safetensors")


def test_a_model_of_an_earlier_version_says_what_to_add(checkout, capsys) -> None:
    run("use", "shapes")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("    head:\n", ""))
    assert "models.shapes_cnn: the key 'head' is missing" in _fails(capsys, "datalists")


@pytest.mark.parametrize("experiment", ["shapes", "photos", "paper"])
def test_a_value_that_dvc_changes_is_one_line(checkout: Path, experiment: str) -> None:
    serialize = pytest.importorskip("dvc.utils.serialize")
    run("use", experiment)
    before = Path("params.yaml").read_text().splitlines()
    with serialize.modify_yaml("params.yaml") as values:
        values["data"]["seed"] = 7
    after = Path("params.yaml").read_text().splitlines()
    assert [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]] == [("  seed: 1", "  seed: 7")]
