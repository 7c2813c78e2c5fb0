"""Q-Insight's distortions in words and numbers, clean images in either null, and comparisons with their reference."""

import json
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError
from loupe.data.recipes.formats import q_insight
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow, PairRow

PAIR = {
    "ref_image": "Original/0339x403y1179.png",
    "ImageA": "01/0339x403y1179_01.png",
    "ImageB": "02/0339x403y1179_02.png",
    "result": "Image A",
}


def read(path: Path, rows: Any) -> list[LabelRow]:
    path.write_text(json.dumps(rows))
    return list(q_insight.read_distortion([path], Recipe()))


@pytest.mark.parametrize(
    ("word", "severity", "wanted"),
    [
        ("noise", "slight", ("noise", 1)),
        ("blur", "Catastrophic", ("blur", 5)),
        ("darken", 3, ("darken", 3)),
        ("compression", "4", ("compression", 4)),
        ("null", "null", (None, 0)),
        (None, None, (None, 0)),
        (None, 0, (None, 0)),
        ("None", "null", (None, 0)),
    ],
)
def test_severities_are_words_or_numbers_and_a_clean_image_is_either_null(
    tmp_path: Path, word: Any, severity: Any, wanted: tuple[str | None, int]
) -> None:
    (row,) = read(tmp_path / "train_dist.json", [{"image": "a.png", "distortion_class": word, "severity": severity}])
    assert (row.distortion, row.level) == wanted
    assert (row.mos != row.mos, row.split) == (True, "train")


@pytest.mark.parametrize(
    ("word", "severity", "complaint"),
    [
        ("noise", None, r"wanted both, or none for a clean image"),
        (None, "obvious", r"wanted both, or none"),
        ("noise", 6, r"severity is 6; wanted 0 to 5"),
        ("noise", 2.5, r"severity is 2\.5"),
        ("noise", "Blue", r"severity is 'Blue'"),
        (["noise"], 3, r"distortion class is \['noise'\]"),
    ],
)
def test_half_a_label_and_unknown_severities_are_refused(
    tmp_path: Path, word: Any, severity: Any, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read(tmp_path / "x.json", [{"image": "a.png", "distortion_class": word, "severity": severity}])


def test_a_row_without_a_key_says_which(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.json, row 1: wanted severity; the row has image, distortion_class"):
        read(tmp_path / "x.json", [{"image": "a.png", "distortion_class": "blur"}])


def test_a_comparison_keeps_its_reference_and_its_order(tmp_path: Path) -> None:
    path = tmp_path / "train_comparison.json"
    path.write_text(json.dumps([PAIR, PAIR | {"result": "similar"}]))
    first, second = q_insight.read_comparison([path], Recipe())
    assert first == PairRow(PAIR["ImageA"], PAIR["ImageB"], "Image A", PAIR["ref_image"], split="train")
    assert second.choice == "Similar"


def test_a_result_that_is_none_of_the_three_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([PAIR | {"result": "A"}]))
    with pytest.raises(DataError, match=r"row 1: the result is 'A'; wanted Image A, Image B, Similar"):
        list(q_insight.read_comparison([path], Recipe()))
