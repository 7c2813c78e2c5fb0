"""Lists without a header, real excerpts of them, and deviations that stand on another scale than their opinions."""

import json
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError
from loupe.data.recipes.formats import visualquality_r1_jsonl as rows_format
from loupe.data.recipes.formats import visualquality_r1_txt as list_format
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

FILES = Path(__file__).parent / "files"


def read(path: Path, **settings: Any) -> list[LabelRow]:
    return list(list_format.read([path], Recipe(**({"name": "x", "std": "std"} | settings))))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a.png 3.5", LabelRow("a.png", 3.5)),
        ("a.png 3.5 0.7", LabelRow("a.png", 3.5, 0.7)),
        ("r.png a.png 3.5", LabelRow("a.png", 3.5, reference="r.png")),
        ("r.png a.png 3.5 .7", LabelRow("a.png", 3.5, 0.7, reference="r.png")),
        ("online50.png online50.png 3.5", LabelRow("online50.png", 3.5, reference="online50.png")),
    ],
)
def test_the_number_and_place_of_words_say_what_they_are(tmp_path: Path, line: str, wanted: LabelRow) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"{line}\n\n{line.replace(' ', chr(9))}\n")
    assert read(path) == [wanted, wanted]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.png\n", r"line 1: 'a\.png'; wanted one of"),
        ("r d 1 2 3\n", r"wanted one of: image mos; image mos std; reference image mos"),
        ("a.png 3.5\nb.png 3.5 0.7\n", r"line 2: .*wanted image mos, as in the first line"),
        ("my photo.png 3.5\nmy cat.png 3.5\nmy.png 3.0\n", r"line 3"),
        ("a.png good\n", r"mos is 'good'; wanted a finite number"),
        ("a.png inf\n", r"mos is 'inf'"),
    ],
)
def test_lines_that_do_not_fit_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read(tmp_path / "list.txt")


def test_real_lists_are_read_as_what_they_are() -> None:
    kadid = read(FILES / "KADID-10K_mos.txt", scale_min=1.0, scale_max=5.0)
    assert kadid[0] == LabelRow("I01_01_01.png", 4.57, 0.7042726744663603, reference="I01.png")
    assert (len(kadid), {row.split for row in kadid}) == (40, {None})
    tested = read(FILES / "KADID-10K_test_set.txt", scale_min=1.0, scale_max=5.0)
    assert (tested[0].reference, {row.split for row in tested}) == ("I19.png", {"test"})
    koniq = read(FILES / "KONIQ-10K_test_all.txt", scale_min=1.0, scale_max=5.0)
    assert koniq[0] == LabelRow("10004473376.jpg", 4.478899486428679, 0.527277894494, split="test")
    livec = read(FILES / "LIVEC_test_all.txt", scale_min=0.0, scale_max=100.0)
    assert [row.image for row in livec[:8]] == [f"t{number}.bmp" for number in range(1, 8)] + ["100.bmp"]


def test_deviations_left_on_their_raw_scale_are_refused_and_stretched_where_the_recipe_names_it() -> None:
    # AGIQA-3K: opinions stretched from 0..4.489 to 0..100, deviations of 0.1 to 1.5 left as they were.
    path, scale = FILES / "AGIQA-3K_test_all.txt", {"scale_min": 0.0, "scale_max": 100.0}
    with pytest.raises(
        DataError, match=r"AGIQA.*opinions span 100\.00, so it is on another scale; say which in std_scale"
    ):
        read(path, **scale)
    first = read(path, **scale, std_scale=[0.0, 4.489])[0]
    assert first.mos_std == pytest.approx(0.223270101 * 100 / 4.489)
    assert {row.mos_std for row in read(path, **scale, std="none")} == {None}


def test_a_deviation_larger_than_its_scale_allows_is_refused_at_its_line(tmp_path: Path) -> None:
    # SPAQ: opinions on 1..5, deviations on 0..100.
    (tmp_path / "list.txt").write_text("00001.jpg 2.9940 17.5540\n")
    with pytest.raises(DataError, match=r"line 1: a deviation of 17\.554 where opinions span 4\.00"):
        read(tmp_path / "list.txt", scale_min=1.0, scale_max=5.0)
    (row,) = read(tmp_path / "list.txt", scale_min=1.0, scale_max=5.0, std_scale=[0.0, 100.0])
    assert row.mos_std == pytest.approx(17.554 / 25)


def test_without_a_scale_the_whole_list_is_judged_by_the_range_that_it_has(tmp_path: Path) -> None:
    lines = [f"{number}.jpg {1 + number / 10} {20 + number}\n" for number in range(41)]
    (tmp_path / "list.txt").write_text("".join(lines))
    with pytest.raises(DataError, match=r"the largest deviation is 60\.000 where opinions span 4\.00"):
        read(tmp_path / "list.txt")


def test_training_rows_are_read_with_their_data_set() -> None:
    rows = list(rows_format.read([FILES / "RL-KADID-10K_train_scoring.jsonl"], Recipe()))
    assert rows[0] == LabelRow("I01_01_01.png", 4.633587786259543, split="train", dataset="KADID-10K")
    assert len(rows) == 25


@pytest.mark.parametrize(
    ("value", "mos"),
    [(3.25, 3.25), ("3.25", 3.25), ("<answer> 3.25 </answer>", 3.25), ("<think>2</think>\n<answer>4</answer>", 4.0)],
)
def test_the_opinion_is_a_number_or_stands_inside_of_answer_tags(value: Any, mos: float) -> None:
    turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": value}]
    assert rows_format.opinion(turns, where="here") == mos


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"conversations": []}, r"no turn from gpt"),
        ({"conversations": [{"from": "gpt", "value": "very good"}]}, r"value of gpt is 'very good'"),
        ({"image": ["a.png", "b.png"]}, r"wanted one file name, for the row holds one opinion"),
        ({"image": []}, r"wanted one file name"),
    ],
)
def test_a_training_row_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    row = {"image": "a.png", "conversations": [{"from": "gpt", "value": 3.0}]}
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(item) for item in (row, row | change)))
    with pytest.raises(DataError, match=rf"row 2: .*{complaint}"):
        list(rows_format.read([tmp_path / "x.jsonl"], Recipe()))
