import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.bench.correlate import correlations
from loupe.bench.score_file.deqa import LEVELS, level_score, read_deqa
from loupe.bench.score_file.formats import FORMATS, guess_format
from loupe.bench.score_file.join import join
from loupe.bench.score_file.rows import Row, number
from loupe.bench.score_file.score import ScoreFile, score_file
from loupe.bench.score_file.screen_table import cells, fitted_cells, notes, reasons
from loupe.bench.score_file.tables import read_table
from loupe.bench.score_file.visualquality_r1 import read_visualquality_r1
from loupe.bench.score_file.zoom_iqa import read_zoom_iqa
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.records import Sample

Make = Callable[[int], list[Sample]]


def sample(image: str, rating: float = 3.0, **fields: Any) -> Sample:
    plain = {"id": image, "image": image, "dataset": "tiny", "split": "test", "rating": rating, "mos": rating}
    return Sample(**{**plain, **fields})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def data_folder(folder: Path, samples: Sequence[Sample]) -> Path:
    folder.mkdir()
    write(folder / "test.jsonl", "".join(json.dumps(item.to_json()) + "\n" for item in samples))
    return folder


def graded(count: int = 20) -> list[Sample]:
    """Images with ratings from 1 to 5 in equal steps."""
    return [sample(f"images/p{n:02d}.png", 1 + 4 * n / (count - 1), id=f"p{n:02d}") for n in range(count)]


def csv_of(samples: Sequence[Sample], score: Callable[[Sample], Any], head: str = "image,score\n") -> str:
    return head + "".join(f"{item.image.split('/')[-1]},{score(item)}\n" for item in samples)


def zoom_row(image: str, rating: float | None, truth: float, **fields: Any) -> dict[str, Any]:
    bad = rating is None
    return {
        "index": 0,
        "dataset": "test_koniq_2k",
        "id": f"{image}->mos",
        "image": f"KONIQ/images/{image}",
        "ground_truth": truth,
        "rating": -100 if bad else rating,
        "model_score": -100 if bad else (rating - 1) * 25,
        "valid": not bad,
        "error": "missing_answer" if bad else None,
        **fields,
    }


def jsonl(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- formats


def test_zoom_iqa_results_are_read_as_its_evaluator_writes_them(tmp_path: Path):
    path = write(tmp_path / "r.jsonl", jsonl([zoom_row("a.jpg", 3.4, 61.5), zoom_row("b.jpg", None, 20.0)]))
    one, two = read_zoom_iqa(path)
    assert (one.score, one.label, one.dataset) == (pytest.approx(60.0), 61.5, "test_koniq_2k")
    assert one.keys == ("KONIQ/images/a.jpg", "a.jpg->mos")
    assert math.isnan(two.score)
    assert two.problem == "invalid: missing_answer"
    assert guess_format(path) == "zoom-iqa-jsonl"


def test_minus_one_hundred_is_a_failure_and_not_a_very_bad_score(tmp_path: Path):
    rows = [{"image": "a", "model_score": -100, "gt_score": 1}, {"image": "b", "rating": -100, "gt_score": 1}]
    assert all(math.isnan(row.score) for row in read_zoom_iqa(write(tmp_path / "r.jsonl", jsonl(rows))))


def test_a_zoom_iqa_row_without_a_model_score_has_that_of_its_rating(tmp_path: Path):
    row = read_zoom_iqa(write(tmp_path / "r.jsonl", jsonl([{"image": "a", "rating": 2.0, "gt_score": 7}])))[0]
    assert (row.score, row.label) == (25.0, 7.0)


def test_deqa_logits_become_the_expected_level():
    odds = {"excellent": 0.4, "good": 0.3, "fair": 0.2, "poor": 0.1, "bad": 0.0 + 1e-12}
    logits = {word: math.log(share) + 7.0 for word, share in odds.items()}
    wanted = 5 * 0.4 + 4 * 0.3 + 3 * 0.2 + 2 * 0.1
    assert level_score({"logits": logits}, where="here") == pytest.approx(wanted)
    assert level_score({"probs": odds}, where="here") == pytest.approx(wanted)


def test_deqa_probabilities_over_a_whole_vocabulary_are_made_to_sum_to_one():
    probs = {"excellent": 0.02, "good": 0.04, "fair": 0.02, "poor": 0.0, "bad": 0.0}
    assert level_score({"probs": probs}, where="here") == pytest.approx(4.0)


@given(st.lists(st.floats(-500, 500), min_size=5, max_size=5), st.floats(-1000, 1000))
def test_an_expected_level_lies_on_the_scale_and_no_shift_of_the_logits_moves_it(values: list[float], shift: float):
    score = level_score({"logits": dict(zip(LEVELS, values, strict=True))}, where="here")
    moved = level_score({"logits": {w: v + shift for w, v in zip(LEVELS, values, strict=True)}}, where="here")
    assert 1.0 <= score <= 5.0
    assert moved == pytest.approx(score, abs=1e-6)


def test_deqa_rows_are_read_from_lines_and_from_a_list(tmp_path: Path):
    logits = dict.fromkeys(LEVELS, 1.0)
    row = {"id": "a.jpg->mos", "image": "KONIQ/images/a.jpg", "gt_score": 70.1, "logits": logits}
    lines = write(tmp_path / "lines.json", jsonl([row, {**row, "logits": {**logits, "bad": None}}]))
    whole = write(tmp_path / "list.json", json.dumps([row], indent=1))
    one, two = read_deqa(lines)
    assert (one.score, one.label, one.keys) == (pytest.approx(3.0), 70.1, ("KONIQ/images/a.jpg", "a.jpg"))
    assert math.isnan(two.score)
    assert read_deqa(whole) == [one]
    assert guess_format(lines) == guess_format(whole) == "deqa-json"


def test_a_single_line_without_its_newline_is_a_whole_file(tmp_path: Path):
    path = write(tmp_path / "r.jsonl", json.dumps(zoom_row("a.jpg", 3.0, 50.0)))
    assert len(read_zoom_iqa(path)) == 1


def test_other_levels_than_the_five_are_refused(tmp_path: Path):
    path = write(tmp_path / "r.json", jsonl([{"image": "a", "logits": {"high": 1.0, "low": 2.0}}]))
    with pytest.raises(DataError, match=r"row 1: logits of high, low; wanted those of excellent"):
        read_deqa(path)


def test_visualquality_r1_paths_may_hold_spaces(tmp_path: Path):
    path = write(tmp_path / "o.txt", "/my images/a b.png 3.42\n\n/my images/c.png oops\n")
    one, two = read_visualquality_r1(path)
    assert (one.keys, one.score) == (("/my images/a b.png",), 3.42)
    assert (math.isnan(two.score), two.problem) == (True, "no number: 'oops'")
    assert guess_format(path) == "visualquality-r1-txt"


def test_a_file_of_labels_is_not_taken_for_predictions(tmp_path: Path):
    with pytest.raises(DataError, match="line 1 ends in two numbers"):
        read_visualquality_r1(write(tmp_path / "o.txt", "I01_01_01.png 4.57 0.704\n"))
    with pytest.raises(DataError, match="wanted the path of an image and its score"):
        read_visualquality_r1(write(tmp_path / "o.txt", "alone\n"))


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("head", [("image", "score"), ("Img_Name", " Prediction"), None])
def test_tables_have_any_of_three_marks_and_a_head_or_none(tmp_path: Path, mark: str, head: tuple[str, str] | None):
    lines = [*([head] if head else []), ("a.png", "3.5"), ("b.png", "n/a")]
    path = write(tmp_path / "s.csv", "".join(mark.join(line) + "\n" for line in lines))
    assert guess_format(path) == "csv"
    rows = read_table(path, columns={})
    assert [row.keys[0] for row in rows] == ["a.png", "b.png"]
    assert rows[0].score == 3.5
    assert (math.isnan(rows[1].score), rows[1].problem) == (True, "no number: 'n/a'")


def test_one_bad_cell_spoils_no_other_and_the_words_for_nothing_are_failures(tmp_path: Path):
    cells = ["1.0", "", "NaN", "inf", "-100", "7", "1e3", "x"]
    text = "image,score\n" + "".join(f"{n}.png,{cell}\n" for n, cell in enumerate(cells))
    rows = read_table(write(tmp_path / "s.csv", text), columns={})
    assert [row.score for row in rows if math.isfinite(row.score)] == [1.0, 7.0, 1000.0]
    assert len(rows) == len(cells)
    assert all(row.problem for row in rows if math.isnan(row.score))


@pytest.mark.parametrize("head", ["image;score\r\n", ""])
def test_between_semicolons_a_comma_is_a_decimal_point(tmp_path: Path, head: str):
    rows = read_table(write(tmp_path / "s.csv", f"{head}a b.png;3,5\r\nc.png;4\r\n"), columns={})
    assert [(row.keys, row.score) for row in rows] == [(("a b.png",), 3.5), (("c.png",), 4.0)]


def test_a_mark_at_the_end_of_each_line_moves_no_column(tmp_path: Path):
    rows = read_table(write(tmp_path / "s.csv", "image,score\na.png,1,\nb.png,2,\n"), columns={})
    assert [(row.keys[0], row.score) for row in rows] == [("a.png", 1.0), ("b.png", 2.0)]
    with pytest.raises(DataError, match="row 2 has 3 cells for 2 columns"):
        read_table(write(tmp_path / "l.csv", "image,score\na.png,1\nb,b.png,2\n"), columns={})
    (tmp_path / "u.csv").write_bytes("image,score\na.png,1\n".encode("utf-16"))
    with pytest.raises(DataError, match="save it as a table in UTF-8"):
        read_table(tmp_path / "u.csv", columns={"image": "image", "score": "score"})


def test_an_empty_table_is_told(tmp_path: Path):
    with pytest.raises(DataError, match="is empty"):
        read_table(write(tmp_path / "s.csv", "\n\n"), columns={})


def test_a_number_of_python_alone_is_none(tmp_path: Path):
    assert math.isnan(read_table(write(tmp_path / "s.csv", "image,score\na.png,1_000\n"), columns={})[0].score)


def test_columns_can_be_named_and_a_wrong_name_is_told(tmp_path: Path):
    path = write(tmp_path / "s.csv", "file_a,q1,q2,mos\na.png,1,2,3\n")
    row = read_table(path, columns={"image": "file_a", "score": "q2"})[0]
    assert (row.keys, row.score, row.label) == (("a.png",), 2.0, 3.0)
    with pytest.raises(ConfigError, match="no column looks like the image; it has file_a, q1, q2, mos"):
        read_table(path, columns={})
    with pytest.raises(ConfigError, match="no column 'q3'; it has file_a"):
        read_table(path, columns={"score": "q3"})


def test_a_table_of_names_with_digits_keeps_them_as_they_are(tmp_path: Path):
    rows = read_table(write(tmp_path / "s.csv", "image,score\n00012,1\n1e5,2\n"), columns={})
    assert [row.keys[0] for row in rows] == ["00012", "1e5"]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path):
    path = tmp_path / "s.csv"
    path.write_bytes(b"\xef\xbb\xbfimage,score\na.png,1\n")
    assert read_table(path, columns={})[0].keys == ("a.png",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("just words\n", "no format known here"),
        ('{"image": "a", "value": 3}\n', "JSON rows with image, value"),
        ('{"sample": {}, "episode": {}}\n', "predictions of Loupe"),
        ("[1, 2]\n", "JSON rows with nothing"),
    ],
)
def test_a_file_of_no_known_format_is_refused_in_words(tmp_path: Path, text: str, words: str):
    with pytest.raises(DataError, match=words):
        guess_format(write(tmp_path / "f", text))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_rows_without_an_image_and_broken_files_are_refused(tmp_path: Path, name: str):
    path = write(tmp_path / "f", '{"rating": 3, "logits": {}}\n' if "json" in name else "x\n")
    with pytest.raises(DataError):
        FORMATS[name].read(path)
    with pytest.raises(DataError):
        FORMATS[name].read(write(tmp_path / "g", '[{"image": \n'))


@given(st.text(max_size=20))
def test_any_text_is_a_finite_number_or_not_a_number(text: str):
    assert not math.isinf(number(text))


# --- who belongs to whom


def rows(*names: str) -> list[Row]:
    return [Row(place, (name,), 1.0) for place, name in enumerate(names, start=1)]


def test_images_are_found_by_id_path_file_name_and_stem_and_in_any_case():
    samples = [sample("images/A one.png", id="k1"), sample("images/b.png", id="k2"), sample("images/c.png", id="k3")]
    samples += [sample("images/d.JPG", id="k4"), sample("images/e.png", id="k5")]
    found = join(rows("k1", "images/b.png", r"C:\tmp\c.png", "elsewhere/D.jpg", "e"), samples)
    assert [item.id for _, item in found.pairs] == ["k1", "k2", "k3", "k4", "k5"]
    assert (found.unknown, found.ambiguous, found.unrated) == ([], [], [])


def test_a_name_that_two_images_share_is_never_guessed():
    samples = [sample("a/1.png"), sample("b/1.png"), sample("c/2.png")]
    found = join(rows("x/1.png", "2.png"), samples)
    assert found.ambiguous == ["x/1.png"]
    assert [item.id for _, item in found.pairs] == ["c/2.png"]
    assert found.unrated == ["a/1.png", "b/1.png"]


def test_the_folder_of_a_file_tells_images_of_one_name_apart():
    samples = [sample("images/jpeg/img5.bmp"), sample("images/gblur/img5.bmp"), sample("images/wn/img7.bmp")]
    named = rows("/live/JPEG/img5.bmp", "/live/jp2k/img5.bmp", "/live/gblur/img5.bmp", "/live/wn/img7.bmp")
    found = join([*named, *rows("/live/jp2k/img7.bmp")], samples)
    assert [item.id for _, item in found.pairs] == [item.id for item in samples]
    assert found.unknown == ["/live/jp2k/img5.bmp", "/live/jp2k/img7.bmp"]
    assert (found.ambiguous, found.unrated) == ([], [])


def test_a_stem_or_another_case_counts_only_where_it_is_unambiguous():
    samples = [sample("x.png"), sample("x.jpg"), sample("Y.png"), sample("y.PNG")]
    found = join(rows("x", "x.jpg", "Y.PNG"), samples)
    assert found.ambiguous == ["x", "Y.PNG"]
    assert [item.id for _, item in found.pairs] == ["x.jpg"]


def test_the_path_wins_over_a_file_name_that_others_share():
    samples = [sample("a/1.png"), sample("b/1.png")]
    found = join(rows("b/1.png", "A/1.PNG"), samples)
    assert [item.id for _, item in found.pairs] == ["b/1.png", "a/1.png"]


def test_two_rows_for_one_image_are_refused_by_whatever_names():
    with pytest.raises(DataError, match=r"rows 1 \('a.png'\) and 2 \('images/A.PNG'\) both rate image 'images/a.png'"):
        join(rows("a.png", "images/A.PNG"), [sample("images/a.png")])


def test_both_sides_without_a_partner_are_listed():
    found = join(rows("a.png", "zebra.png"), [sample("a.png"), sample("q.png")])
    assert (found.unknown, found.unrated) == (["zebra.png"], ["q.png"])


def test_a_second_name_of_a_row_counts_where_the_first_is_unknown():
    row = Row(1, ("KONIQ/other/9.jpg", "k7"), 1.0)
    assert join([row], [sample("images/a.jpg", id="k7")]).pairs[0][1].id == "k7"


# --- scores


def test_perfect_scores_on_another_scale_are_perfect(tmp_path: Path):
    samples = graded()
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: (item.rating - 1) * 25))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), scale=(0, 100), n_boot=0))
    figures = found["sets"]["tiny"]["all"]
    assert figures["plcc"][0] == pytest.approx(1.0)
    assert figures["rmse"][0] == pytest.approx(0.0, abs=1e-9)
    assert found["complete"]
    assert found["format_guessed"]


def test_without_a_scale_there_is_agreement_and_no_error(tmp_path: Path):
    samples = graded()
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: item.rating * 17))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), n_boot=0))
    assert found["sets"]["tiny"]["all"]["srcc"][0] == pytest.approx(1.0)
    assert found["sets"]["tiny"]["all"]["rmse"] is None
    assert cells(found)[0][-1] == "–"
    assert any("state it, for example --scale 0 100" in line for line in notes(found))


def test_failures_count_in_the_middle_of_the_scale_and_beside_that_not_at_all(tmp_path: Path):
    samples = graded(20)
    values = {item.id: "no idea" if n % 5 == 0 else f"{(item.rating - 1) * 25:.4f}" for n, item in enumerate(samples)}
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: values[item.id]))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), scale=(0, 100), n_boot=0))
    row = found["sets"]["tiny"]
    assert (row["n"], row["unusable"], row["usable"]["n"], row["all"]["n"]) == (20, 4, 16, 20)
    assert row["usable"]["plcc"][0] == pytest.approx(1.0)
    wanted = correlations(
        [3.0 if n % 5 == 0 else item.rating for n, item in enumerate(samples)],
        [item.rating for item in samples],
        n_boot=0,
    )
    assert row["all"]["plcc"][0] == pytest.approx(wanted.plcc.value, abs=1e-4)
    assert row["all"]["rmse"][0] == pytest.approx(wanted.rmse.value, abs=1e-4)
    assert found["failures"] == {
        "count": 4,
        "first": [f"p{n:02d}.png: no number: 'no idea'" for n in (0, 5, 10, 15)],
    }
    assert [line[0] for line in cells(found)] == ["tiny, failures at mid-scale", "tiny, usable alone"]


def test_failures_on_a_scale_that_nobody_knows_are_refused_in_words(tmp_path: Path):
    samples = graded()
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: "" if item.id == "p03" else item.rating))
    with pytest.raises(DataError, match=r"1 predictions cannot be used, such as 'p03.png'.*--scale 0 100"):
        score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples)))


def test_minus_one_hundred_in_a_table_is_a_score_where_the_scale_holds_it(tmp_path: Path):
    samples = graded()
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: -100 if item.id == "p00" else item.rating))
    data = data_folder(tmp_path / "d", samples)
    assert score_file(ScoreFile(path, data=data, scale=(1, 5), n_boot=0))["failures"]["count"] == 1
    assert score_file(ScoreFile(path, data=data, scale=(-100, 5), n_boot=0))["failures"]["count"] == 0


def test_scores_that_run_against_quality_are_turned_where_that_is_told(tmp_path: Path):
    samples = graded()
    data = data_folder(tmp_path / "d", samples)
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: 100 - (item.rating - 1) * 25))
    plain = score_file(ScoreFile(path, data=data, scale=(0, 100), n_boot=0))["sets"]["tiny"]["all"]
    told = ScoreFile(path, data=data, scale=(0, 100), lower_is_better=True, n_boot=0)
    turned = score_file(told)["sets"]["tiny"]["all"]
    assert plain["srcc"][0] == pytest.approx(-1.0)
    assert (turned["srcc"][0], turned["rmse"][0]) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))
    loose = score_file(ScoreFile(path, data=data, lower_is_better=True, n_boot=0))["sets"]["tiny"]["all"]
    assert loose["srcc"][0] == pytest.approx(1.0)


def test_scores_against_quality_have_no_fit_and_the_reason_is_told(tmp_path: Path):
    samples = graded()
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: -item.rating))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), n_boot=0))
    assert fitted_cells(found)[0][2] == "–"
    assert any("run against opinion" in line for line in reasons(found))


def test_what_has_no_partner_is_counted_named_and_makes_the_run_incomplete(tmp_path: Path):
    samples = graded(20)
    text = csv_of(samples[:17], lambda item: item.rating) + "zebra.png,2\n"
    path = write(tmp_path / "s.csv", text)
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), n_boot=0))
    assert found["not_in_data"] == {"count": 1, "first": ["zebra.png"]}
    assert found["not_in_file"] == {"count": 3, "first": ["p17", "p18", "p19"]}
    assert found["sets"]["tiny"]["n"] == 17
    assert not found["complete"]
    told = list(notes(found))
    assert "1 rows name no image of the data, such as zebra.png" in told
    assert "3 images of the data have no row in the file, such as p17, p18, p19" in told


def test_images_that_nobody_rated_are_told_and_not_scored(tmp_path: Path):
    samples = graded(10)
    samples[4] = sample(samples[4].image, math.nan, id=samples[4].id)
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: item.id[1:]))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), n_boot=0))
    assert found["sets"]["tiny"]["n"] == 9
    assert found["without_opinion"] == {"count": 1, "first": ["p04"]}


def test_a_file_that_names_nothing_of_the_data_is_refused_with_both_names(tmp_path: Path):
    path = write(tmp_path / "s.csv", "image,score\nzebra.png,3\n")
    with pytest.raises(DataError, match=r"the file has 'zebra.png', the data 'images/p00.png'"):
        score_file(ScoreFile(path, data=data_folder(tmp_path / "d", graded())))


def test_data_sets_in_one_file_are_scored_apart_and_averaged(tmp_path: Path):
    def made(name: str, count: int, noise: float) -> list[dict[str, Any]]:
        draws = np.random.default_rng(count).normal(scale=noise, size=count)
        values = np.linspace(1, 5, count)
        return [
            zoom_row(f"{name}{n}.jpg", float(np.clip(values[n] + draws[n], 1, 5)), 20 * values[n] - 10, dataset=name)
            for n in range(count)
        ]

    parts = {"one": made("one", 20, 0.2), "two": made("two", 60, 1.5)}
    path = write(tmp_path / "r.jsonl", jsonl([*parts["one"], *parts["two"]]))
    found = score_file(ScoreFile(path, n_boot=50))
    values = [found["sets"][name]["all"]["srcc"][0] for name in ("one", "two")]
    for name, value in zip(("one", "two"), values, strict=True):
        single = score_file(ScoreFile(write(tmp_path / f"{name}.jsonl", jsonl(parts[name])), n_boot=0))
        assert single["sets"][name]["all"]["srcc"][0] == pytest.approx(value)
    means = found["means"]["all"]["srcc"]
    assert means["macro"][0] == pytest.approx(np.mean(values))
    assert means["weighted"][0] == pytest.approx((20 * values[0] + 60 * values[1]) / 80)
    assert "rmse" not in found["means"]["all"]
    assert found["labels"] == "the file itself"


def test_opinions_of_the_file_have_an_error_once_their_scale_is_told(tmp_path: Path):
    rows = [zoom_row(f"{n}.jpg", 1 + n / 5, 20.0 * n / 4) for n in range(20)]
    path = write(tmp_path / "r.jsonl", jsonl(rows))
    assert score_file(ScoreFile(path, n_boot=0))["sets"]["test_koniq_2k"]["all"]["rmse"] is None
    found = score_file(ScoreFile(path, label_scale=(0, 100), n_boot=0))["sets"]["test_koniq_2k"]["all"]
    assert found["rmse"][0] == pytest.approx(0.0, abs=1e-9)


def test_scores_outside_of_the_scale_are_counted_and_taken_as_they_are(tmp_path: Path):
    samples = graded()
    text = "".join(f"{item.image} {item.rating + (3 if item.id == 'p19' else 0)}\n" for item in samples)
    found = score_file(ScoreFile(write(tmp_path / "o.txt", text), data=data_folder(tmp_path / "d", samples), n_boot=0))
    assert found["outside_scale"] == 1
    assert found["sets"]["tiny"]["all"]["srcc"][0] == pytest.approx(1.0)
    assert found["sets"]["tiny"]["all"]["rmse"][0] == pytest.approx(3 / math.sqrt(20))


def test_images_of_one_reference_are_drawn_together(tmp_path: Path):
    samples = [sample(f"p{n:02d}.png", 1 + (n * 7 % 20) / 5, ref_id=f"r{n // 10}") for n in range(20)]
    path = write(tmp_path / "s.csv", csv_of(samples, lambda item: item.rating + len(item.id) * (int(item.id[1:3]) % 3)))
    found = score_file(ScoreFile(path, data=data_folder(tmp_path / "d", samples), n_boot=100))
    wanted = correlations(
        [item.rating + len(item.id) * (int(item.id[1:3]) % 3) for item in samples],
        [item.rating for item in samples],
        groups=[str(item.ref_id) for item in samples],
        n_boot=100,
    )
    assert found["sets"]["tiny"]["all"]["plcc"] == pytest.approx(wanted.plcc)


def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path):
    path = write(tmp_path / "s.csv", "image,score,mos\na.png,3,2\nb.png,1,1\nc.png,2,2\n")
    lines = write(tmp_path / "r.jsonl", jsonl([zoom_row("a.jpg", 3.0, 50.0)]))
    bare = write(tmp_path / "b.csv", "image,score\na.png,3\n")
    twice = write(tmp_path / "t.csv", "image,score,mos\na.png,3,2\na.png,1,1\n")
    wrong: list[tuple[ScoreFile, type[Exception], str]] = [
        (ScoreFile(tmp_path / "none.csv"), MissingFileError, "no file"),
        (ScoreFile(path, format="xml"), ConfigError, "wanted one of csv, zoom-iqa-jsonl"),
        (ScoreFile(path, scale=(5, 1)), ConfigError, "--scale: got 5 1"),
        (ScoreFile(path, label_scale=(math.nan, 1)), ConfigError, "--label-scale"),
        (ScoreFile(path, columns={"picture": "image"}), ConfigError, "--columns: got picture"),
        (ScoreFile(lines, columns={"image": "x"}), ConfigError, "--columns is for tables"),
        (ScoreFile(path, data=tmp_path, label_scale=(0, 1)), ConfigError, "opinions in the file"),
        (ScoreFile(bare), DataError, "holds no opinions; name the data folder"),
        (ScoreFile(twice), DataError, "rates 'a.png' twice"),
        (ScoreFile(path, data=tmp_path / "no"), MissingFileError, "no "),
        (ScoreFile(write(tmp_path / "h.csv", "image,score\n")), DataError, "holds no predictions"),
    ]
    for settings, kind, words in wrong:
        with pytest.raises(kind, match=words):
            score_file(settings)


def test_too_few_images_have_no_agreement_and_no_exception(tmp_path: Path):
    path = write(tmp_path / "s.csv", "image,score,mos\na.png,3,2\nb.png,1,1\n")
    assert math.isnan(score_file(ScoreFile(path))["sets"][""]["all"]["srcc"][0])
