"""What the gallery holds of many images."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from PIL import Image

from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.evaluation import evaluate
from ttame.report.page.candidates import Candidates
from ttame.report.page.gallery import gallery_of
from ttame.report.page.standing import Standing

from .results_by_hand import write_scores

METRICS = MetricSettings(road=RoadSettings(shares=[10, 70]), insertion_deletion=CurveSettings(steps=4))
METHODS = ["gradcam", "rise", "ttame", "layercam", "hirescam"]


class ReadAnew(Mapping[str, pd.DataFrame]):
    """Scores of which no more than one method's fit in memory; it remembers how many were there at a time."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._read: list[weakref.ref[pd.DataFrame]] = []
        self.most = 0

    def __getitem__(self, method: str) -> pd.DataFrame:
        table = pd.read_parquet(self._paths[method])
        self._read.append(weakref.ref(table))
        self.most = max(self.most, sum(one() is not None for one in self._read))
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def test_scores_of_all_images_are_not_held_of_all_methods(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(12)]
    paths = {method: tmp_path / f"{method}.parquet" for method in METHODS}
    for seed, path in enumerate(paths.values()):
        write_scores(path, names, seed)
    evaluation = evaluate(ReadAnew(paths), METRICS, ReportSettings(reference="ttame", resamples=100))
    generator = torch.Generator().manual_seed(0)
    maps = {method: torch.rand(6, 28, 28, generator=generator) for method in METHODS}
    places = range(0, 12, 2)
    scores = ReadAnew(paths)
    evaluation = type(evaluation)(scores, METRICS, evaluation.report, evaluation.statistics)
    standing = Standing.of(evaluation, pd.DataFrame({"objection": []}))
    candidates = Candidates.of(evaluation, standing, places, maps)
    photos: dict[int, Image.Image | None] = {3: None, 0: None, 5: None}
    found = gallery_of(evaluation, standing, candidates, photos, dict.fromkeys(photos, "disc"))
    assert scores.most <= 2, "one, and the next while it is read"
    assert [image["name"] for image in found["images"]] == ["6.png", "0.png", "10.png"]
    for image in found["images"]:
        for method, path in paths.items():
            row = pd.read_parquet(path).set_index("name").loc[image["name"]]
            assert image["scores"][method]["deletion"][2] == round(float(row["deletion_2"]), 3)
