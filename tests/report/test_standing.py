"""Which methods the picture shows, and whose maps say little of the classifier."""

from __future__ import annotations

import pandas as pd

from ttame.report.page.randomised import stays_high
from ttame.report.page.standing import Standing, cheaper_leader, pictured_methods

METHODS = {
    "rise": (5, 400.0),
    "gradcam": (4, 2.0),
    "gradcam++": (4, 2.0),
    "hirescam": (3, 2.0),
    "layercam": (3, 2.0),
    "iia": (2, 30.0),
    "ttame": (1, 1.0),
    "tame": (1, 1.0),
}
"""Leads and passes, best first."""


def _standing(*, nobody_leads: bool = False) -> Standing:
    rows = {"leads": [leads for leads, _ in METHODS.values()], "passes": [passes for _, passes in METHODS.values()]}
    table = pd.DataFrame(rows, index=list(METHODS))
    return Standing([], {}, table, None if nobody_leads else "rise", None if nobody_leads else cheaper_leader(table))


def test_the_picture_has_leaders_reference_and_each_kind_by_standing() -> None:
    assert cheaper_leader(_standing().table) == "ttame", "the better of the two with one pass"
    shown = pictured_methods(_standing(), "layercam")
    assert shown == ["rise", "gradcam", "layercam", "iia", "ttame"], "the next of the kinds that are there already"
    assert pictured_methods(_standing(), "tame") == ["rise", "gradcam", "iia", "ttame", "tame"]
    assert pictured_methods(_standing(), "center")[:3] == ["rise", "gradcam", "gradcam++"]


def test_the_picture_prefers_no_leader_where_nobody_leads() -> None:
    shown = pictured_methods(_standing(nobody_leads=True), "hirescam")
    assert shown == ["rise", "gradcam", "hirescam", "iia", "ttame"]


def test_stays_high_reads_the_whole_classifier_of_methods_that_look_at_it() -> None:
    found = pd.DataFrame(
        {"depth_100": [0.6, 0.9, 1.0, 1.0, 0.2], "depth_1": [1.0, 1.0, 1.0, 1.0, 0.9]},
        index=["rise", "gradcam", "random", "ptame", "ttame"],
    )
    assert stays_high(found) == {"gradcam": 0.9, "rise": 0.6}
    assert list(stays_high(found)) == ["gradcam", "rise"]
    assert stays_high(found[["depth_1"]]) == {}
    assert stays_high(pd.DataFrame()) == {}
