"""DepictQA's metas: one damage or two, a file an image or a list, and no opinions."""

import json
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError
from loupe.data.recipes.formats import depictqa
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

MADE: dict[str, Any] = {
    "img_ref": "ref_imgs/00001.png",
    "img_lq": "dist_imgs/00001_0.png",
    "distortion_class": "blur",
    "distortion_name": "blur_gaussian",
    "severity": 4,
}
COLLECTED = {
    "id": "00001_0",
    "image_ref": "ref_imgs/00001.png",
    "image_A": "dist_imgs/00001_0.png",
    "image_B": None,
    "task_type": "quality_single_A",
    "distortion_class": None,
    "distortion_name": None,
    "severity": 0,
    "conversations": [],
}


def read(path: Path, rows: Any) -> list[LabelRow]:
    path.write_text(json.dumps(rows))
    return list(depictqa.read([path], Recipe()))


def same(row: LabelRow, **fields: Any) -> bool:
    """Equal but for the opinion, which is NaN and equals nothing."""
    found = {name: getattr(row, name) for name in ("image", "reference", "distortion", "level", "split")}
    return row.mos != row.mos and found == {"split": None} | fields


def test_a_file_of_one_object_is_one_image(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "00001_0.json", MADE)
    wanted = {"image": MADE["img_lq"], "reference": MADE["img_ref"], "distortion": "blur", "level": 4}
    assert same(row, **wanted)


def test_a_collected_list_has_other_names_and_its_clean_images(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "test_refA_sd_brief.json", [COLLECTED])
    assert same(
        row, image="dist_imgs/00001_0.png", reference="ref_imgs/00001.png", distortion=None, level=0, split="test"
    )


def test_two_damages_keep_both_words_and_no_level(tmp_path: Path) -> None:
    two = {"img_ref": "r.png", "img_lq": "d.png", "distortion_names": ["blur_zoom", "noise_poisson"]}
    (row,) = read(tmp_path / "x.json", two | {"distortion_classes": ["blur", "noise"], "severities": [1, 3]})
    assert same(row, image="d.png", reference="r.png", distortion="blur+noise", level=None)
    (clean,) = read(tmp_path / "x.json", two | {"distortion_classes": None, "severities": 0})
    assert (clean.distortion, clean.level) == (None, 0)
    with pytest.raises(DataError, match=r"damages \['blur'\] with severities \[1, 3\]; wanted one each"):
        read(tmp_path / "x.json", two | {"distortion_classes": ["blur"], "severities": [1, 3]})


def test_a_comparison_of_two_damaged_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1 compares two damaged images"):
        read(tmp_path / "x.json", [COLLECTED | {"image_B": "b.png"}])


def test_a_level_beyond_five_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"severity is 7; wanted 0 to 5"):
        read(tmp_path / "x.json", MADE | {"severity": 7})
