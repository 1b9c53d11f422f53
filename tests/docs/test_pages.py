"""Blocks of the pages that have no test of their own, run from their text."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ttame
from ttame.data.shapes import render
from ttame.explainers.entry import Entry
from ttame.explainers.registry import EXPLAINERS
from ttame.measures import registry as measures
from ttame.measures.column import Column
from ttame.params.composition import compose
from ttame.params.section import Section
from ttame.store.basis_file import Basis

from ..api.conftest import KNOWN, small_cnn
from ..conftest import REPOSITORY
from ..pipeline.checkout import shell
from .blocks import Block, blocks

ELSEWHERE = {"docs/python.md", "docs/your_model.md", "README.md"}
"""Run by test_python_guide, by tests/pipeline/test_guide.py, and lines of the former."""
ADDING = "docs/adding.md"
SHELL = {
    "docs/start.md": "Maps of ",
    "docs/explain_one_image.md": "Maps of ",
    "docs/compare_methods.md": "mine is active",
}
"""Pages whose shell blocks are run, and what these say."""


def test_every_block_is_run_or_says_what_it_needs() -> None:
    run = {block.page for kind in ("sh", "python", "yaml") for block in blocks(kind) if block.is_run}
    assert run == ELSEWHERE | {ADDING, *SHELL, "docs/paper_tables.md"}


@pytest.mark.slow
def test_shell_blocks_run(tmp_path: Path) -> None:
    for name in ("experiments", "params.yaml"):
        (shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy)(REPOSITORY / name, tmp_path / name)
    images = [Image.fromarray(render(1, index).pixels).resize((256, 256)) for index in range(8)]
    for index, image in enumerate(images):
        path = tmp_path / "photos" / ("train" if index < 5 else "evaluation") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    images[0].save(elsewhere / "photo.jpg")
    for page, said in SHELL.items():
        folder = tmp_path if page == "docs/compare_methods.md" else elsewhere
        text = "\n".join(block.text for block in blocks("sh", page) if block.is_run)
        output = shell(folder, shutil.which("bash") or "bash", "-e", "-c", text, PYTHONPATH=str(REPOSITORY))
        assert said in output, page
    assert np.asarray(Image.open(elsewhere / "photo.maps.png")).std() > 0
    assert (elsewhere / "tiger_cat.maps.png").exists()
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["explainers"]["rise"]["masks"] == 100


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.is_run], ids=lambda block: block.page)
def test_yaml_is_part_of_an_experiment(block: Block, tmp_path: Path) -> None:
    said = yaml.safe_load(block.text)
    if "base" not in said:
        said = {"base": "shapes"} | said
    shutil.copytree(REPOSITORY / "experiments", tmp_path / "experiments")
    path = tmp_path / "experiments" / "said.yaml"
    path.write_text(yaml.safe_dump(said))
    assert compose(path).experiment == "said"


def _titled(title: str) -> str:
    (found,) = [block.text for block in blocks("python", ADDING) if block.title == title]
    return found


def _module(name: str, title: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(_titled(title), title, "exec"), module.__dict__)
    return module


def _entries(title: str, **names: Any) -> dict[str, Any]:
    """Those that the page adds to a registry."""
    found: dict[str, Any] = eval(f"{{{_titled(title)}}}", names)
    return found


def test_the_added_method_explains(monkeypatch, tmp_path: Path) -> None:
    module = _module("ttame.explainers.gradient_times_input", "ttame/explainers/gradient_times_input.py", monkeypatch)
    added = _entries("ttame/explainers/registry.py", Entry=Entry)
    monkeypatch.setitem(EXPLAINERS, "gradient_times_input", added["gradient_times_input"])
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.fromarray(render(1, 0).pixels).save("photos/cat.jpg")
    model = ttame.wrap(small_cnn(), **KNOWN)
    names: dict[str, Any] = {"ttame": ttame, "model": model}
    exec(_titled(""), names)
    assert names["result"].passes == (1, 1)
    assert names["result"].raw.std() > 0
    (image,) = ttame.load_images("photos/cat.jpg", model)
    pixels = image[None].clone().requires_grad_()
    logits = model(pixels)
    (gradient,) = torch.autograd.grad(logits[0, logits.argmax()], pixels)
    torch.testing.assert_close(names["result"].raw, (pixels * gradient).sum(1).abs().detach())
    assert "Formula:" in (module.GradientTimesInput.__doc__ or "")


def test_the_added_measure_judges(monkeypatch) -> None:
    module = _module("ttame.measures.gini", "ttame/measures/gini.py", monkeypatch)
    names: dict[str, Any] = {"Section": Section}
    exec(_titled("ttame/measures/options.py"), names)
    added = _entries("ttame/measures/registry.py", Entry=measures.Entry, Column=Column, **names)["gini"]
    assert added.options()
    one, even = torch.zeros(4, 4), torch.full((4, 4), 0.3)
    one[1, 2] = 1
    found = module.Gini(None).judge(None, torch.stack([one, even, torch.zeros(4, 4)]), Basis([], (4, 4), {}), None)
    assert list(found) == [column.key for column in added.columns]
    torch.testing.assert_close(found["gini"], torch.tensor([1 - 1 / 16, 0.0, 0.0], dtype=torch.float64))


def test_the_added_classifier_is_opened(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_models.py").write_text(_titled("my_models.py"))
    model = ttame.open_model("my_models:tiny", weights="none")
    assert model.preprocessing.input_size == (64, 64)
    assert ttame.explain(model, torch.randn(2, 3, 64, 64), "gradcam").shape == (2, 64, 64)
