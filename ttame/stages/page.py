"""Stage: the results page, one HTML file that needs no network and nothing beside it, and what was measured.

The results page is the same bytes on every run. Seconds, memory and dates are not, so they have a page of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import jinja2
import pandas as pd
import torch
import yaml
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from ttame import __version__
from ttame.data.contents import OtherImage, open_checked
from ttame.data.datalists import read_names
from ttame.data.sources import ImageSource
from ttame.data.transforms import Preprocessing, fit_image
from ttame.errors import TTameError
from ttame.explainers.registry import find, title
from ttame.params.composition import whole
from ttame.params.settings import Settings
from ttame.report import legends
from ttame.report.aggregate import qualities
from ttame.report.columns import quality_columns
from ttame.report.cost_table import write_cost_tables
from ttame.report.evaluation import Evaluation
from ttame.report.measure_tables import HEADINGS
from ttame.report.page.candidates import Candidates
from ttame.report.page.charts import COLOURS, KINDS, sample, styles
from ttame.report.page.drawings import cost_chart
from ttame.report.page.gallery import CANDIDATES, gallery_of
from ttame.report.page.likeness import likeness, small_maps
from ttame.report.page.section import Likeness, Results, Section
from ttame.report.page.sections import dotted, section
from ttame.report.page.standing import Standing
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
from ttame.store.provenance import read_records, versions
from ttame.store.scored_methods import read_sanity_rows, read_scores
from ttame.store.statistics_file import read_statistics, refuse_other_means

SHRUNK = 64
"""Maps that are read together."""
TEMPLATES = jinja2.PackageLoader("ttame.report.page", "")
STYLES = ["base.css", "tables.css", "charts.css", "gallery.css", "print.css"]
SCRIPTS = ["view.js", "tables.js", "charts.js", "maps.js", "gallery.js", "viewer.js"]
"""In this order, since each uses what those before it define."""
COMPUTED_BY = ("torch", "numpy", "pandas", "matplotlib")
"""Packages whose versions the results page names: those that its numbers and drawings come from."""


def run(settings: Settings) -> None:
    """Write `index.html`, `measured.html`, and beside the tables those of the measured cost."""
    names = read_names(list_file(settings, "evaluation"))
    environment = jinja2.Environment(
        loader=TEMPLATES, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    headings, cells_of_cost = write_cost_tables(settings)
    galleries: dict[str, Any] = {}
    sections: list[Section] = []
    charts: dict[str, str] = {}
    for backbone in settings.backbones:  # one at a time, since the scores of many images are large
        evaluation = _evaluation(settings, backbone, names)
        measures = [column.key for column in quality_columns(settings.metrics) if column.key in evaluation.means]
        checks = read_checks(checks_file(settings), backbone, measures)
        standing = Standing.of(evaluation, checks)
        galleries[backbone], alike = _pictures(settings, backbone, evaluation, standing)
        sections.append(section(settings, _results(settings, backbone, evaluation, checks, standing, alike)))
        charts |= _cost_charts(settings, backbone, evaluation, standing)
    text = environment.get_template("page.html.jinja").render(
        settings=settings,
        images=len(names),
        drawn=legends.drawn(settings.methods),
        methods=[(method, title(method), find(method).kind) for method in settings.methods.all],
        kinds={kind: KINDS[kind] for kind in KINDS if kind in {find(method).kind for method in settings.methods.all}},
        brought_out=_brought_out(settings, sections),
        dotted=dotted(sections),
        colours=COLOURS,
        samples={method: sample(look) for method, look in styles(settings.methods.all).items()},
        check_headings=HEADINGS,
        backbones=sections,
        styles=STYLES,
        scripts=SCRIPTS,
        versions=_versions(),
        params=yaml.safe_dump(_compared(settings), sort_keys=False, allow_unicode=True),
        version=__version__,
        data=_as_script({"galleries": galleries, "colours": _colour_table()}),
    )
    write_text(page_file(settings), text)
    records = read_records(settings)
    text = environment.get_template("measured.html.jinja").render(
        settings=settings,
        headings=headings,
        cells=cells_of_cost,
        charts=charts,
        records=records,
        ran_with=_ran_with(records),
        styles=STYLES,
    )
    write_text(measured_file(settings), text)


def _brought_out(settings: Settings, sections: Sequence[Section]) -> set[str | None]:
    """The methods that stand out in the charts as the page opens: the reference, the leaders, the cheaper leaders."""
    return {settings.report.reference}.union(*({of.standing.leader, of.standing.cheaper} for of in sections)) - {None}


def _cost_charts(settings: Settings, name: str, evaluation: Evaluation, standing: Standing) -> dict[str, str]:
    """The chart of one backbone by its heading; none where nothing was measured or no measure may rank."""
    milliseconds = {method: _milliseconds(settings, name, method) for method in evaluation.scores}
    measured = {method: value for method, value in milliseconds.items() if value is not None}
    chart = cost_chart(name, settings.report.reference, standing, measured)
    return {} if chart is None else {f"Quality against cost, {name}": chart}


def _compared(settings: Settings) -> dict[str, Any]:
    """The params but what decides no result."""
    return {key: value for key, value in whole(settings).items() if key != "execution"}


def _evaluation(settings: Settings, backbone: str, names: list[str]) -> Evaluation:
    """The scores, and the statistics that the tables stage has written of them."""
    scores, _ = read_scores(settings, backbone, names)
    measured = read_measures(settings, backbone, scores)
    columns = {
        method: [str(name) for name in qualities(table.iloc[:1], settings.metrics)] for method, table in scores.items()
    }
    for tables in measured.values():
        for method, table in tables.items():
            columns[method] += [str(name) for name in table]
    statistics = read_statistics(statistics_file(settings), backbone, columns)
    evaluation = Evaluation(scores, settings.metrics, settings.report, statistics, measured)
    refuse_other_means(statistics_file(settings), statistics, evaluation.means)
    return evaluation


def _results(
    settings: Settings, name: str, evaluation: Evaluation, checks: pd.DataFrame, standing: Standing, likeness: Likeness
) -> Results:
    trained = [method for method in settings.methods.trained if method in evaluation.scores]
    histories = {method: read_history(settings, name, method) for method in trained}
    # An imported mechanism has no epochs to show, nor has one whose history was not copied here.
    histories = {method: history for method, history in histories.items() if len(history)}
    sanity = read_sanity_rows(settings, name)
    return Results(name, evaluation, checks, standing, sanity, histories, likeness)


def _versions() -> dict[str, str]:
    """Without the build, which says on what machine they run."""
    return {package: version.split("+")[0] for package, version in versions(COMPUTED_BY).items()}


def _ran_with(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The different commits, devices and versions of all stages."""
    found = {
        "Commit": [str(record["commit"] or "not in git") for record in records],
        "Device": [record["device"] for record in records],
    }
    for package in dict.fromkeys(package for record in records for package in record["versions"]):
        found[package] = [record["versions"][package] for record in records if package in record["versions"]]
    return {name: sorted(set(values)) for name, values in found.items()}


def _milliseconds(settings: Settings, backbone: str, method: str) -> float | None:
    """Per map, as measured with the first seed; None for a control, and where nothing was measured."""
    path = cost_file(settings, backbone, method, settings.methods.first_seed_of(method))
    if find(method).kind == "control" or not path.exists():
        return None
    with reading(path):
        return 1000 * float(json.loads(path.read_text(encoding="utf-8"))["seconds_per_image"])


def _pictures(
    settings: Settings, name: str, evaluation: Evaluation, standing: Standing
) -> tuple[dict[str, Any], Likeness]:
    """What the gallery shows, and how alike the maps are of all images that it was chosen from."""
    runs = {method: settings.methods.first_seed_of(method) for method in evaluation.scores}
    found = {method: read_maps(maps_file(settings, name, method, seed)) for method, seed in runs.items()}
    first = next(iter(found.values()))
    count = min(CANDIDATES, len(first.names))
    places = [number * len(first.names) // count for number in range(count)]
    maps = {method: _small(of, places) for method, of in found.items()}
    candidates = Candidates.of(evaluation, standing, places, maps)
    shown_here = candidates.to_show(settings.report.reference, settings.report.gallery)
    source = open_checked(settings.data, "evaluation", contents_file(settings, "evaluation"))
    photos = {number: _photo(source, first.preprocessing, first.names[places[number]]) for number in shown_here}
    classes = {number: class_name(first.class_names, int(first.targets[places[number]])) for number in shown_here}
    gallery = gallery_of(evaluation, standing, candidates, photos, classes)
    return gallery, Likeness(likeness(candidates.maps), count)


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
    return fit_image(image, preprocessing)


def _colour_table() -> list[list[int]]:
    colours = colormaps[COLOUR_MAP](range(256), bytes=True)[:, :3]
    return [[int(channel) for channel in colour] for colour in colours]


def _as_script(data: Any) -> str:
    """JSON that cannot end the script element it stands in.

    Raises:
        TTameError: where a number is not finite, which no browser would read: all scripts of the page would end.
    """
    try:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise TTameError(
            "page: a probability or score of an image is not a finite number; run `python -m ttame scores` again"
        ) from None
    return text.replace("<", "\\u003c")
