from __future__ import annotations

from typing import Any

import pytest

from ttame.data.copies import Rows, without_copies
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import Split

CONTENTS: dict[Split, Rows] = {
    "train": [("a.jpg", b"1"), ("b.jpg", b"2"), ("c.jpg", b"3"), ("d.jpg", b"3")],
    "validation": [("v.jpg", b"4")],
    "evaluation": [("e.jpg", b"1"), ("f.jpg", b"5")],
}


def _data(**changes: Any) -> DataSettings:
    return DataSettings.model_validate(changes)


def test_copies_leave_a_drawn_list_and_stay_within_one(capsys) -> None:
    kept = without_copies(_data(), CONTENTS)
    assert kept == {**CONTENTS, "train": CONTENTS["train"][1:]}
    assert capsys.readouterr().err.splitlines() == [
        "warning: data: 1 images of the train list are copies of others, a.jpg of e.jpg (evaluation) for one; they are "
        "left out",
        "warning: data: 1 images of the train list are copies of others in it",
    ]


def test_copies_in_given_lists_are_refused_and_ilsvrc_keeps_its_own(capsys) -> None:
    with pytest.raises(TTameError, match=r"data\.lists\.train: 1 images .* a\.jpg of e\.jpg \(evaluation\) for one"):
        without_copies(_data(lists={"train": "train.txt"}), CONTENTS)
    assert without_copies(_data(source="ilsvrc"), CONTENTS) == CONTENTS
    assert "a.jpg of e.jpg" in capsys.readouterr().err


def test_list_of_copies_alone_is_refused() -> None:
    with pytest.raises(TTameError, match=r"a\.jpg of e\.jpg .* no image is left"):
        without_copies(_data(), {**CONTENTS, "train": [("a.jpg", b"1")]})
