"""What the tables show: which numbers, under which heading, and which end is the better one."""

from __future__ import annotations

from ttame.measures.column import Column
from ttame.measures.registry import measure_columns
from ttame.params.evaluation import MetricSettings, SanitySettings


def quality_columns(settings: MetricSettings) -> list[Column]:
    """What is measured of a map: the scores, and the measures of `ttame.measures`."""
    return [*score_columns(settings), *measure_columns()]


def score_columns(settings: MetricSettings) -> list[Column]:
    """AD, IC and AG at each share, mean ROAD, curves, ADCC, localisation, all in percent."""
    columns: list[Column] = []
    for share in settings.shares:
        columns += [
            Column(f"ad_{share}", f"AD({share})", "lower"),
            Column(f"ic_{share}", f"IC({share})", "higher"),
            Column(f"ag_{share}", f"AG({share})", "higher"),
        ]
    return [
        *columns,
        Column("road_morf", "ROAD MoRF", "lower"),
        Column("road_lerf", "ROAD LeRF", "higher"),
        Column("deletion", "Deletion", "lower"),
        Column("insertion", "Insertion", "higher"),
        Column("adcc", "ADCC", "higher"),
        Column("pointing_game", "Pointing game", "higher"),
        Column("mass_inside", "Mass inside", "higher"),
    ]


def comparison_columns(settings: MetricSettings) -> list[Column]:
    """The qualities, what a map costs, and how many classes a training never saw."""
    return [
        *quality_columns(settings),
        Column("forward_passes", "Forward", None, 0),
        Column("backward_passes", "Backward", None, 0),
        Column("untrained", "Untrained %", None),
    ]


def headline_columns(settings: MetricSettings) -> list[Column]:
    """Few enough for a line of a terminal: AD and IC by the whole map, and what needs no ground truth."""
    shown = ("ad_100", "ic_100", "road_morf", "road_lerf", "deletion", "insertion", "adcc")
    return [column for column in quality_columns(settings) if column.key in shown]


def road_columns(settings: MetricSettings) -> list[Column]:
    """ROAD at every share, both orders."""
    return [
        *(Column(f"road_morf_{share}", f"MoRF {share}", "lower") for share in settings.road.shares),
        *(Column(f"road_lerf_{share}", f"LeRF {share}", "higher") for share in settings.road.shares),
    ]


def adcc_columns() -> list[Column]:
    """The parts of ADCC besides the average drop."""
    return [
        Column("coherency", "Coherency", "higher"),
        Column("complexity", "Complexity", "lower"),
        Column("adcc", "ADCC", "higher"),
    ]


def sanity_columns(settings: SanitySettings) -> list[Column]:
    """Mean rank correlation at every depth, in [-1, 1]."""
    return [Column(f"depth_{depth}", f"{depth} % of the layers", None, 2) for depth in settings.depths]
