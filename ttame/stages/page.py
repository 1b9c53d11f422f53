"""Stage: the results page, one HTML file that needs no network and nothing beside it, and what was measured.

The results page is the same bytes on every run. Seconds, memory and dates are not, so they have a page of their own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jinja2
import torch
import yaml
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from ttame import __version__
from ttame.data.contents import OtherImage, open_checked
from ttame.data.datalists import read_names
from ttame.data.sources import ImageSource
from ttame.data.transforms import Preprocessing, center_crop, resize_shorter_side
from ttame.errors import TTameError
from ttame.explainers.registry import find, title
from ttame.params.composition import whole
from ttame.params.settings import Settings
from ttame.report import legends
from ttame.report.aggregate import qualities
from ttame.report.columns import comparison_columns, quality_columns, sanity_columns
from ttame.report.cost_table import write_cost_tables
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import number, shown
from ttame.report.measure_tables import HEADINGS, cells, recommendation
from ttame.report.page.charts import COLOURS
from ttame.report.page.gallery import CANDIDATES, agreement, gallery_of, small_maps, spread
from ttame.report.page.sections import (
    agreement_chart,
    cost_chart,
    curve_charts,
    seeds_row,
    table_row,
    training_chart,
)
from ttame.report.page.verdict import verdict
from ttame.report.pictures import COLOUR_MAP, class_name
from ttame.store.artifacts import reading, write_text
from ttame.store.checks_file import read_checks
from ttame.store.history_file import read_history
from ttame.store.maps_file import StoredMaps, read_maps
from ttame.store.measures_file import read_measures
from ttame.store.paths import (
    checks_file,
    contents_file,
    cost_file,
    list_file,
    maps_file,
    measured_file,
    page_file,
    statistics_file,
)
from ttame.store.provenance import read_records
from ttame.store.scored_methods import read_sanity, read_scores
from ttame.store.statistics_file import read_statistics, refuse_other_means

SHRUNK = 64
"""Maps that are read together."""
TEMPLATES = jinja2.PackageLoader("ttame.report.page", "")


def run(settings: Settings) -> None:
    """Write `index.html`, `measured.html`, and beside the tables those of the measured cost."""
    names = read_names(list_file(settings, "evaluation"))
    environment = jinja2.Environment(
        loader=TEMPLATES, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    headings, cells_of_cost = write_cost_tables(settings)
    galleries: dict[str, Any] = {}
    sections: list[dict[str, Any]] = []
    charts: dict[str, str] = {}
    for backbone in settings.backbones:  # one at a time, since the scores of many images are large
        evaluation = _evaluation(settings, backbone, names)
        galleries[backbone] = _gallery(settings, backbone, evaluation)
        sections.append(_section(settings, backbone, evaluation))
        charts |= _cost_charts(settings, backbone, evaluation)
    text = environment.get_template("page.html.jinja").render(
        settings=settings,
        images=len(names),
        drawn=legends.drawn(settings.methods),
        methods=[(method, title(method), find(method).kind) for method in settings.methods.all],
        colours=COLOURS,
        check_headings=HEADINGS,
        backbones=sections,
        params=yaml.safe_dump(_compared(settings), sort_keys=False, allow_unicode=True),
        version=__version__,
        data=_as_script({"galleries": galleries, "colours": _colour_table()}),
    )
    write_text(page_file(settings), text)
    text = environment.get_template("measured.html.jinja").render(
        settings=settings, headings=headings, cells=cells_of_cost, charts=charts, records=read_records(settings)
    )
    write_text(measured_file(settings), text)


def _cost_charts(settings: Settings, name: str, evaluation: Evaluation) -> dict[str, str]:
    """The chart of one backbone by its heading; none where nothing was measured."""
    milliseconds = {method: _milliseconds(settings, name, method) for method in evaluation.scores}
    measured = {method: value for method, value in milliseconds.items() if value is not None}
    return {f"Quality against cost, {name}": cost_chart(name, evaluation, measured)} if measured else {}


def _compared(settings: Settings) -> dict[str, Any]:
    """The params but what decides no result."""
    return {key: value for key, value in whole(settings).items() if key != "execution"}


def _evaluation(settings: Settings, backbone: str, names: list[str]) -> Evaluation:
    """The scores, and the statistics that the tables stage has written of them."""
    scores, _ = read_scores(settings, backbone, names)
    measured = read_measures(settings, backbone, scores)
    columns = {method: [str(name) for name in qualities(table, settings.metrics)] for method, table in scores.items()}
    for tables in measured.values():
        for method, table in tables.items():
            columns[method] += [str(name) for name in table]
    statistics = read_statistics(statistics_file(settings), backbone, columns)
    evaluation = Evaluation(scores, settings.metrics, settings.report, statistics, measured)
    refuse_other_means(statistics_file(settings), statistics, evaluation.means)
    return evaluation


def _section(settings: Settings, name: str, evaluation: Evaluation) -> dict[str, Any]:
    trained = [method for method in settings.methods.trained if method in evaluation.scores]
    histories = {method: read_history(settings, name, method) for method in trained}
    # An imported mechanism has no epochs to show, nor has one whose history was not copied here.
    histories = {method: history for method, history in histories.items() if len(history)}
    columns = shown(evaluation.means, comparison_columns(settings.metrics))
    sanity, depths = read_sanity(settings, name), sanity_columns(settings.sanity)
    measures = [column for column in quality_columns(settings.metrics) if column.key in evaluation.means]
    checks = read_checks(checks_file(settings), name, [column.key for column in measures])
    return {
        "name": name,
        "verdict": verdict(name, evaluation, checks),
        "recommendation": recommendation(name, checks, measures),
        "measures": [{"heading": column.heading, "cells": cells(checks, column)} for column in measures],
        "agreement": agreement_chart(name, evaluation),
        "seeds": [seeds_row(evaluation, method, measures) for method in evaluation.several_seeds],
        "measured": measures,
        "columns": columns,
        "rows": [table_row(evaluation, method, columns) for method in evaluation.scores],
        "depths": depths,
        "sanity": [
            {"title": title(str(method)), "cells": [number(row[depth.key], depth) for depth in depths]}
            for method, row in sanity.iterrows()
        ],
        "charts": curve_charts(name, evaluation),
        "training": training_chart(name, histories) if histories else None,
    }


def _milliseconds(settings: Settings, backbone: str, method: str) -> float | None:
    """Per map, as measured with the first seed; None for a control, and where nothing was measured."""
    path = cost_file(settings, backbone, method, settings.methods.first_seed_of(method))
    if find(method).kind == "control" or not path.exists():
        return None
    with reading(path):
        return 1000 * float(json.loads(path.read_text(encoding="utf-8"))["seconds_per_image"])


def _gallery(settings: Settings, name: str, evaluation: Evaluation) -> dict[str, Any]:
    runs = {method: settings.methods.first_seed_of(method) for method in evaluation.scores}
    found = {method: read_maps(maps_file(settings, name, method, seed)) for method, seed in runs.items()}
    first = next(iter(found.values()))
    count = min(CANDIDATES, len(first.names))
    places = [number * len(first.names) // count for number in range(count)]
    maps = {method: _small(of, places) for method, of in found.items()}
    source = open_checked(settings.data, "evaluation", contents_file(settings, "evaluation"))
    shown_here = spread(agreement(maps), settings.report.gallery)
    photos = {number: _photo(source, first.preprocessing, first.names[places[number]]) for number in shown_here}
    classes = {number: class_name(first.class_names, int(first.targets[places[number]])) for number in shown_here}
    return gallery_of(evaluation, places, maps, photos, classes)


def _small(maps: StoredMaps, places: list[int]) -> Tensor:
    """(len(places), 28, 28), of which few are in memory at the size they were made."""
    groups = [places[start : start + SHRUNK] for start in range(0, len(places), SHRUNK)]
    return torch.cat([small_maps(maps.at(group).maps) for group in groups])


def _photo(source: ImageSource, preprocessing: Preprocessing, name: str) -> Image.Image | None:
    """None for a photo that is gone, which is said; one that changed is refused, since the maps are not of it."""
    try:
        image = source.load(name)
    except OtherImage:
        raise
    except TTameError as error:
        print(f"page: {error}", file=sys.stderr)
        return None
    return center_crop(resize_shorter_side(image, preprocessing), preprocessing)


def _colour_table() -> list[list[int]]:
    colours = colormaps[COLOUR_MAP](range(256), bytes=True)[:, :3]
    return [[int(channel) for channel in colour] for colour in colours]


def _as_script(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
