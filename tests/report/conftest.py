"""Results of some methods on some images, made by hand, and the page of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from ttame.cli.main import main
from ttame.data.contents import digest_of, write_contents
from ttame.data.transforms import Preprocessing
from ttame.params.active import load_settings
from ttame.store.maps_file import Maps, write_maps
from ttame.store.undefined import write_undefined

from ..stages.conftest import tiny_params
from .opening import open_page
from .results_by_hand import write_scores, write_sensitivity

MALICIOUS = "<script>alert(1)</script>.png"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Call it to make results of some methods on some images in a folder of its own, and the page."""

    def make(
        methods: list[str],
        images: int,
        gone: int | None = None,
        leader: str | None = None,
        seeds: int = 1,
        undefined: Mapping[str, str] | None = None,
    ) -> Path:
        """`undefined` names other backbones, where nobody leads, each with the method that is not defined on the first
        and defined there; these have a measure more.
        """
        folder = tmp_path_factory.mktemp("page")
        settings = tiny_params(yaml.safe_load(Path(__file__).parents[2].joinpath("params.yaml").read_text()))
        names = [MALICIOUS, *(f"{number}.png" for number in range(1, images))]
        settings["experiment"] = "by_hand"
        settings["data"] |= {"source": "folder", "roots": dict.fromkeys(settings["data"]["roots"], "images")}
        trained = [method for method in methods if method == "ttame"]
        settings["methods"] |= {"training_free": [m for m in methods if m not in trained], "trained": trained}
        settings["methods"]["seeds"] = list(range(1, seeds + 1))
        settings["report"]["resamples"] = 200
        others = undefined or {}
        settings["backbones"] += list(others)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            Path("params.yaml").write_text(yaml.safe_dump(settings))
            Path("images").mkdir()
            results = Path("results/by_hand")
            (results / "datalists").mkdir(parents=True)
            (results / "datalists/evaluation.txt").write_text("".join(f"{name}\n" for name in names))
            random, contents = np.random.default_rng(0), []
            for number, name in enumerate(names):
                pixels = random.integers(0, 256, (70, 80, 3), dtype=np.uint8)
                contents.append((name, digest_of(Image.fromarray(pixels))))
                if number != gone:
                    Image.fromarray(pixels).save(Path("images") / Path(name).name.replace("/", "_"))
            write_contents(results / "datalists/evaluation.images.csv", contents)
            for backbone in settings["backbones"]:
                for seed, method in enumerate(methods):
                    if backbone not in others and method in others.values():
                        _write_nothing(results, backbone, method)
                        continue
                    for run in range(1, 1 + (seeds if method == "ttame" else 1)):
                        made = seed + 100 * (run - 1)
                        leads = method == leader and backbone not in others
                        _write_method(results, backbone, method, names, made, run, leads=leads)
                        if backbone in others:
                            _add_pointing_game(results, backbone, method)
                write_sensitivity(load_settings(Path("params.yaml")), backbone)
            assert main(["tables"]) == 0
            assert main(["page"]) == 0
        return folder / "results/by_hand/page/index.html"

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def tab(browser: Any, written: Path) -> Iterator[Any]:
    """The page of the module's `written` in a browser; an error or a request fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "request", lambda one: None if one.url.startswith(("data:", written.as_uri())) else complaints.append(one.url)
    )
    opened.goto(written.as_uri())
    yield opened
    opened.wait_for_timeout(200)
    opened.close()
    assert complaints == []


@pytest.fixture
def opened(tab: Any, written: Path) -> Any:
    """The page as it opens without a view in its address."""
    open_page(tab, written.as_uri())
    return tab


def _write_nothing(results: Path, backbone: str, method: str) -> None:
    """What is left of a method that is not defined."""
    for name in (f"scores/{backbone}/{method}.parquet", f"cost/{backbone}/{method}.json"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        write_undefined(results / name, "it reads attention")


def _add_pointing_game(results: Path, backbone: str, method: str) -> None:
    for path in (results / "scores" / backbone).glob(f"{method}.*parquet"):
        table = pd.read_parquet(path)
        table.assign(pointing_game=table["probability"] < 0.5).to_parquet(path)


def _write_method(
    results: Path, backbone: str, method: str, names: list[str], seed: int, run: int, *, leads: bool
) -> None:
    """The files of one method, of a trained one those of the seed `run`."""
    named = f"ttame.seed{run}" if method == "ttame" else method
    write_scores(results / "scores" / backbone / f"{named}.parquet", names, seed, leads=leads)
    maps = torch.rand(len(names), 8, 8, generator=torch.Generator().manual_seed(seed))
    targets = torch.zeros(len(names), dtype=torch.long)
    preprocessing = Preprocessing((64, 64), 64, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    written = Maps(
        names=names,
        maps=maps,
        targets=targets,
        forward_passes=1.0,
        backward_passes=0.0,
        preprocessing=preprocessing,
        class_names={0: "disc & ring"},
    )
    write_maps(results / f"maps/{backbone}/{named}.safetensors", written)
    cost = results / f"cost/{backbone}/{named}.json"
    cost.parent.mkdir(parents=True, exist_ok=True)
    measured = {"seconds_per_image": 0.001 * (seed + 1), "peak_memory_bytes": 1, "batch_size": 1, "device": "CPU"}
    cost.write_text(json.dumps({"backbone": backbone, "method": method} | measured))
    if method == "ttame":
        history = results / f"attention/{backbone}/{named}.history.csv"
        history.parent.mkdir(parents=True, exist_ok=True)
        rows = {"epoch": [1, 2], "validation_masked_accuracy": [0.4, 0.8], "validation_area": [0.5, 0.25]}
        pd.DataFrame(rows).to_csv(history, index=False)
