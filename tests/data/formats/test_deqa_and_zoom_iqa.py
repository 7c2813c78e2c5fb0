"""The JSON lists of the field: opinions with their own deviations, shares best first, the split in the file's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.data.recipes.formats import deqa, q_insight, zoom_iqa
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

TRAIN: dict[str, Any] = {
    "id": "a.jpg->64.76",
    "image": "KONIQ/images/a.jpg",
    "gt_score": 64.76,
    "gt_score_norm": 3.88,
    "level_probs_org": [0.1, 0.6, 0.2, 0.0, 0.0],
    "level_probs": [0.08, 0.74, 0.18, 0.0, 0.0],
    "std": 14.5,
    "std_norm": 0.69,
    "conversations": [{"from": "human", "value": "How good?\n<|image|>"}, {"from": "gpt", "value": "Good."}],
}
TEST = {key: value for key, value in TRAIN.items() if key not in ("level_probs", "level_probs_org", "conversations")}
RECIPE = Recipe(name="koniq", std="std")


def written(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows))
    return path


def test_a_training_row_gives_raw_opinion_deviation_and_shares_and_a_test_row_no_shares(tmp_path: Path) -> None:
    files = [written(tmp_path / "train_koniq_7k.json", [TRAIN]), written(tmp_path / "test_koniq_2k.json", [TEST])]
    first, second = deqa.read(files, RECIPE)
    assert first == LabelRow("KONIQ/images/a.jpg", 64.76, 14.5, split="train", level_probs=(0.08, 0.74, 0.18, 0.0, 0.0))
    assert second == LabelRow("KONIQ/images/a.jpg", 64.76, 14.5, split="test")


def test_the_stretched_opinion_comes_with_the_stretched_deviation_and_never_with_the_raw_one(tmp_path: Path) -> None:
    path = written(tmp_path / "train.json", [TRAIN])
    (row,) = q_insight.read_score([path], Recipe(name="q", std="std", scale_min=1.0, scale_max=5.0))
    assert (row.mos, row.mos_std) == (3.88, 0.69)
    with pytest.raises(ConfigError, match=r"options.value='norm'; wanted gt_score or gt_score_norm"):
        next(deqa.read([path], Recipe(options={"value": "norm"})))


def test_a_deviation_from_another_scale_than_its_opinion_is_refused(tmp_path: Path) -> None:
    # KonIQ's trap: opinions on 1..100 beside deviations of votes on 1..5.
    rows = [TRAIN | {"image": f"{number}.jpg", "gt_score": 4.0 + number, "std": 0.55} for number in range(80)]
    path = written(tmp_path / "train.json", rows)
    with pytest.raises(DataError, match=r"the largest deviation is \.550 where opinions span 79\.00.*std_scale="):
        list(deqa.read([path], RECIPE))
    scaled = Recipe(name="koniq", std="std", std_scale=[1.0, 5.0], scale_min=1.0, scale_max=100.0)
    assert next(deqa.read([path], scaled)).mos_std == pytest.approx(0.55 * 99 / 4)
    assert {row.mos_std for row in deqa.read([path], Recipe(name="koniq"))} == {None}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"gt_score": None}, r"row 2: gt_score is None; wanted a finite number"),
        ({"gt_score": float("nan")}, r"gt_score is nan"),
        ({"gt_score": True}, r"gt_score is True"),
        ({"image": " "}, r"image is ' '; wanted a name"),
        ({"level_probs": [0.5, 0.5]}, r"wanted five shares"),
        ({"level_probs": [0.9, 0.9, 0, 0, 0]}, r"sum to 1"),
        ({"level_probs": [1.2, -0.2, 0, 0, 0]}, r"shares of 0 or more"),
        ({"std": -1.0}, r"deviation is -1\.0; wanted a number of 0 or more"),
    ],
)
def test_a_row_that_cannot_be_names_its_file_and_number(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = written(tmp_path / "train.json", [TRAIN, TRAIN | change])
    with pytest.raises(DataError, match=complaint):
        list(deqa.read([path], RECIPE))


def test_files_that_are_no_such_lists_say_what_they_are(tmp_path: Path) -> None:
    for text, complaint in (
        ("[1]", r"row 1 is a int; wanted an object"),
        ("{oops", r"is not JSON"),
        ('{"a": 1}\n{"a": 2}\n', r"one object a line must be named \.jsonl"),
        ('[{"picture": "a"}]', r"wanted gt_score; the row has picture"),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(DataError, match=complaint):
            list(deqa.read([tmp_path / "x.json"], RECIPE))
    with pytest.raises(MissingFileError, match=r"no label file .*nowhere\.json"):
        list(deqa.read([tmp_path / "nowhere.json"], RECIPE))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train_koniq_7k.json", "train"),
        ("test_kadid_2k.json", "test"),
        ("val.json", "val"),
        ("koniq.json", None),
        ("KADID_test_set.json", "test"),
        ("train_val.json", None),
    ],
)
def test_the_split_is_the_word_in_the_name_of_the_file(tmp_path: Path, name: str, split: str | None) -> None:
    (row,) = deqa.read([written(tmp_path / name, [TRAIN])], RECIPE)
    assert row.split == split


def test_an_annotation_of_zoom_iqa_has_its_image_under_one_of_two_names(tmp_path: Path) -> None:
    rows = [
        {"image": "a.jpg", "gt_score": "61.5", "conversations": []},
        {"id": "2", "img_path": "b/b.jpg", "gt_score": 3},
    ]
    path = written(tmp_path / "test_koniq_2k.json", rows)
    assert list(zoom_iqa.read([path], Recipe())) == [
        LabelRow("a.jpg", 61.5, split="test"),
        LabelRow("b/b.jpg", 3.0, split="test"),
    ]
    with pytest.raises(DataError, match=r"row 1: wanted img_path or image; the row has gt_score"):
        list(zoom_iqa.read([written(path, [{"gt_score": 1}])], Recipe()))
