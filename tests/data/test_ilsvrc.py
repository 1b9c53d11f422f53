from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttame.data.datalists import make_datalists
from ttame.data.sources import ILSVRCSource
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import SPLITS

CLASSES = ("n01440764", "n01443537", "n01484850")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three classes with four images each, and five validation images."""
    names = [f"ILSVRC2012_img_train/{wnid}/{wnid}_{index}.JPEG" for wnid in CLASSES for index in range(4)]
    names += [f"ILSVRC2012_img_val/ILSVRC2012_val_{index:08d}.JPEG" for index in range(1, 6)]
    random = np.random.default_rng(0)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(tmp_path / name)
    return tmp_path


def test_names_are_those_of_the_published_lists(tree: Path) -> None:
    names = [name for name, _ in ILSVRCSource(tree, "train").available()]
    assert len(names) == 12
    assert names[0] == "n01440764/n01440764_0.JPEG"
    assert next(name for name, _ in ILSVRCSource(tree, "evaluation").available()) == "ILSVRC2012_val_00000001.JPEG"
    assert ILSVRCSource(tree, "train").load("n01440764/n01440764_0.JPEG").size == (80, 60)


def test_half_unpacked_tree_is_named_and_counted(tree: Path, capsys) -> None:
    folder = tree / "ILSVRC2012_img_train"
    ILSVRCSource(tree, "train").available()
    assert "3 of the 1000 folders of classes are there" in capsys.readouterr().err
    for wnid in ("n01491361", "n01494475"):
        (folder / wnid).mkdir()
    with pytest.raises(TTameError, match="2 folders of classes are empty, n01491361 for one; unpack them"):
        ILSVRCSource(tree, "train").available()
    (folder / "n01496331.tar").write_bytes(b"")
    (folder / f"{CLASSES[0]}.tar").write_bytes(b"")
    with pytest.raises(TTameError, match=r"1 archives of classes are not unpacked, n01496331\.tar for one"):
        ILSVRCSource(tree, "train").available()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("ILSVRC2012_val_00000009.JPEG", "1 of 3 images are not in .*put them there, or mend the list or data.roots"),
        ("val/ILSVRC2012_val_00000003.JPEG", r"relative to that folder, as in ILSVRC2012_val_00000003\.JPEG"),
        ("/data/ILSVRC2012_img_val/ILSVRC2012_val_00000003.JPEG", "relative to that folder, as in ILSVRC2012_val_0"),
    ],
)
def test_list_of_missing_images_or_another_layout(tree: Path, listed: str, message: str) -> None:
    source = ILSVRCSource(tree, "evaluation")
    good = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002"]
    Path(tree / "ILSVRC2012_img_val/ILSVRC2012_val_00000002.JPEG").rename(
        tree / "ILSVRC2012_img_val/ILSVRC2012_val_00000002.jpg"
    )
    source.refuse_missing(good, "the list")
    with pytest.raises(TTameError, match=f"the list: {message}" if listed[0] == "I" else message):
        source.refuse_missing([*good, listed], "the list")


def test_lists_are_drawn_with_a_seed_and_disjoint(tree: Path) -> None:
    roots: dict[str, str | None] = dict.fromkeys(SPLITS, str(tree))
    counts: dict[str, int | None] = {"train": 6, "validation": 2, "evaluation": 3}
    lists: dict[str, str | None] = dict.fromkeys(SPLITS)
    drawn = [
        make_datalists(
            DataSettings.model_validate(
                {"source": "ilsvrc", "seed": seed, "roots": roots, "lists": lists, "counts": counts}
            )
        )
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {split: len(entries) for split, entries in drawn[0].items()} == counts
    assert not set(drawn[0]["validation"]) & set(drawn[0]["evaluation"])
