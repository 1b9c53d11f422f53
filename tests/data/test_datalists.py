from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ttame.data.datalists import make_datalists, read_datalist, write_datalist
from ttame.data.sources import FolderSource
from ttame.errors import TTameError
from ttame.params.data import DataSettings, PerSplitPaths
from ttame.params.section import SPLITS

from ..conftest import SHARED

NONE: dict[str, Any] = dict.fromkeys(SPLITS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(20):
        path = tmp_path / "images" / f"class {index % 3}" / f"photo {index:02d}.{'JPG' if index % 2 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (index, 0, 0)).save(path)
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    return tmp_path / "images"


def _settings(folder: Path, **counts: int | None) -> DataSettings:
    return DataSettings.model_validate({"roots": dict.fromkeys(SPLITS, str(folder)), "counts": {**NONE, **counts}})


def test_splits_of_one_folder_are_disjoint_and_complete(folder: Path) -> None:
    lists = make_datalists(_settings(folder, validation=3, evaluation=5))
    assert [len(lists[split]) for split in SPLITS] == [12, 3, 5]
    assert len({name for entries in lists.values() for name, _ in entries}) == 20


def test_draw_does_not_depend_on_the_order_of_the_folder(folder: Path, monkeypatch) -> None:
    settings = _settings(folder, train=8, validation=3, evaluation=5)
    expected = make_datalists(settings)
    available = FolderSource.available
    monkeypatch.setattr(FolderSource, "available", lambda self: list(reversed(available(self))))
    assert make_datalists(settings) == expected
    assert make_datalists(settings.model_copy(update={"seed": 2})) != expected


def test_more_training_images_leave_the_evaluation_list_alone(folder: Path) -> None:
    few = make_datalists(_settings(folder, train=2, validation=3, evaluation=5))
    many = make_datalists(_settings(folder, train=9, validation=3, evaluation=5))
    assert few["evaluation"] == many["evaluation"]
    assert few["train"] == many["train"][:2]


def test_too_few_images_is_said_with_both_counts(folder: Path) -> None:
    with pytest.raises(TTameError, match=r"data\.counts\.train asks for 30 images but 12 are left"):
        make_datalists(_settings(folder, train=30, validation=3, evaluation=5))


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TTameError, match="no image in this folder"):
        make_datalists(_settings(tmp_path / "empty"))
    with pytest.raises(TTameError, match="no such folder"):
        make_datalists(_settings(tmp_path / "missing"))


def test_given_lists_that_overlap_are_refused(folder: Path, tmp_path: Path) -> None:
    write_datalist(tmp_path / "one.txt", [("a.jpg", 1), ("b.jpg", 2)])
    write_datalist(tmp_path / "other.txt", [("b.jpg", 2), ("c.jpg", 3)])
    lists = {"train": str(tmp_path / "one.txt"), "validation": None, "evaluation": str(tmp_path / "other.txt")}
    with pytest.raises(TTameError, match=r"1 images are in both the train and the evaluation list, b\.jpg"):
        make_datalists(
            _settings(folder, validation=2).model_copy(update={"lists": PerSplitPaths.model_validate(lists)})
        )


def test_round_trip_with_spaces_and_missing_labels(tmp_path: Path) -> None:
    entries = [("a b/c 7.jpg", 3), ("d.png", -1)]
    write_datalist(tmp_path / "list.txt", entries)
    assert read_datalist(tmp_path / "list.txt") == entries
    (tmp_path / "bare.txt").write_text("x.jpg\n\ny.jpg 4 \n")
    assert read_datalist(tmp_path / "bare.txt") == [("x.jpg", -1), ("y.jpg", 4)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.jpg 1\nb.jpg cat\n", r"list\.txt:2: malformed line 'b.jpg cat'"),
        ("a.jpg 1\na.jpg 2\n", r"list\.txt:2: a.jpg is listed twice"),
        ("\n", "the datalist is empty"),
        ("a.jpg,1\n", r"list\.txt:1: 'a.jpg,1' has a comma where a blank is expected"),
        ("a.jpg, 1\n", "has a comma"),
        ("a.jpg 99999999999999999999\n", "the label 99999999999999999999 does not fit 64 bits"),
        ("a.jpg\0 1\n", "not a text file"),
    ],
)
def test_bad_list_names_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(TTameError, match=reason):
        read_datalist(tmp_path / "list.txt")


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(TTameError, match="no such datalist"):
        read_datalist(tmp_path / "list.txt")


def test_name_without_ending_means_jpg(folder: Path) -> None:
    Image.new("RGB", (3, 3)).save(folder / "bare.jpg")
    assert FolderSource(folder).load("bare").size == (3, 3)


def test_published_lists_read(tmp_path: Path) -> None:
    path = SHARED / "datalists" / "Evaluation_2000.txt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    entries = read_datalist(path)
    assert len(entries) == 2000
    assert entries[0] == ("ILSVRC2012_val_00010011.JPEG", 248)


def _given(folder: Path, tmp_path: Path, text: str, **roots: str) -> DataSettings:
    (tmp_path / "given.txt").write_text(text)
    data = _settings(folder, validation=2)
    return DataSettings.model_validate(
        data.model_dump()
        | {"lists": {"evaluation": str(tmp_path / "given.txt")}, "roots": {**data.roots.model_dump(), **roots}}
    )


@pytest.mark.parametrize("spelling", ["./a.png", "x//../a.png", "x/../a.png", "x/./../a.png", "link.png"])
def test_one_file_under_two_spellings_is_listed_twice(folder: Path, tmp_path: Path, spelling: str) -> None:
    (folder / "x").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    (folder / "link.png").symlink_to(folder / "a.png")
    with pytest.raises(TTameError, match=r"data\.lists\.evaluation: .* is listed twice, also as a\.png"):
        make_datalists(_given(folder, tmp_path, f"a.png 1\n{spelling} 1\n"))


@pytest.mark.parametrize("name", ["../x.jpg", "/x.jpg", "a/../../x.jpg"])
def test_list_that_leaves_its_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TTameError, match=r"given\.txt: .*x\.jpg leaves the folder"):
        make_datalists(_given(folder, tmp_path, f"{name} 1\n"))


def test_folders_inside_each_other_are_drawn_disjoint(folder: Path, tmp_path: Path) -> None:
    data = _settings(folder, validation=2)
    roots = {"train": str(folder), "validation": str(folder), "evaluation": str(folder / "class 0")}
    lists = make_datalists(data.model_copy(update={"roots": PerSplitPaths.model_validate(roots)}))
    assert [len(lists[split]) for split in SPLITS] == [11, 2, 7]
    assert not any(name.startswith("class 0") for name, _ in lists["train"] + lists["validation"])
    given = _given(folder, tmp_path, "photo 00.png 1\n", evaluation=str(folder / "class 0"))
    (tmp_path / "train.txt").write_text("class 0/photo 00.png 1\n")
    given = given.model_copy(update={"lists": given.lists.model_copy(update={"train": str(tmp_path / "train.txt")})})
    with pytest.raises(TTameError, match="1 images are in both the train and the evaluation list, "):
        make_datalists(given)


def test_too_few_says_who_took_the_others(folder: Path) -> None:
    with pytest.raises(TTameError, match=r"12 are left of 20 \(taken 3 by validation and 5 by evaluation\)"):
        make_datalists(_settings(folder, train=30, validation=3, evaluation=5))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa.jpg 1\r\nb c.jpg\t2\r\n", [("a.jpg", 1), ("b c.jpg", 2)]),
        ("a\u2028b.jpg 1\n".encode(), [("a\u2028b.jpg", 1)]),
    ],
)
def test_lists_of_other_editors_are_read(tmp_path: Path, content: bytes, expected: list[tuple[str, int]]) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    assert read_datalist(tmp_path / "list.txt") == expected


def test_unknown_user_is_one_line(folder: Path) -> None:
    with pytest.raises(TTameError, match=r"no such user; mend data\.roots\.train"):
        make_datalists(_settings(folder).model_copy(update={"roots": PerSplitPaths(train="~nobody-here/x")}))
