"""Bars where there is no terminal."""

from __future__ import annotations

from ttame.runtime.progress import _Lines, progress


def test_in_a_log_a_bar_is_lines(capsys) -> None:
    bar = progress(4, "maps", "images")
    bar.fp, bar.delay, bar.mininterval = _Lines(), 0, 0
    for _ in range(4):
        bar.update()
    bar.close()
    said = capsys.readouterr().err
    assert "\r" not in said
    lines = said.splitlines()
    assert lines[0].startswith("maps:  25%")
    assert lines[-1].startswith("maps: 100%")
    assert len(lines) == len(set(lines))


def test_short_work_says_nothing(capsys) -> None:
    with progress(2, "maps", "images") as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""
