"""What a format cannot hold is refused in one line, or left out and counted; a direction never turns by itself."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import write_jsonl
from loupe.core.records import Sample
from loupe.data.export.run import ExportConfig, Exported, export

RATED = ("deqa", "q-insight-score", "visualquality-r1-txt", "visualquality-r1-jsonl", "pyiqa", "zoom-iqa")


def run(tmp_path: Path, samples: Sequence[Sample], form: str, **settings: Any) -> Exported:
    for split in {item.split for item in samples}:
        rows = [item.to_json() for item in samples if item.split == split]
        write_jsonl(tmp_path / "data" / f"{split}.jsonl", rows)
    given = {"data": str(tmp_path / "data"), "format": form, "output": str(tmp_path / "out.json")}
    return export(ExportConfig(**(given | settings)))


@pytest.mark.parametrize("form", RATED)
def test_an_image_that_nobody_rated_is_refused_or_counted(
    tmp_path: Path, rated: list[Sample], unrated: Sample, form: str
) -> None:
    with pytest.raises(
        DataError, match=rf"{form} cannot hold 1 of 4 images, such as koniq-9: nobody rated it; --leave"
    ):
        run(tmp_path, [*rated, unrated], form)
    assert not (tmp_path / "out.json").exists()
    done = run(tmp_path, [*rated, unrated], form, leave_out=True)
    assert (done.rows, done.left_out) == (3, {"nobody rated it": 1})


def test_where_nothing_fits_leaving_out_is_no_way(tmp_path: Path, unrated: Sample) -> None:
    with pytest.raises(DataError, match=r"cannot hold 1 of 1 images.*; choose another format"):
        run(tmp_path, [unrated], "deqa", leave_out=True)


def test_a_distortion_that_nobody_knows_is_no_clean_image(tmp_path: Path, referenced: list[Sample]) -> None:
    samples = [replace(item, degradation=None) if item.id == "koniq-4" else item for item in referenced]
    with pytest.raises(DataError, match=r"such as koniq-4: nobody says what damage it has"):
        run(tmp_path, samples, "q-insight-distortion")
    assert run(tmp_path, samples, "q-insight-distortion", leave_out=True).rows == 2


def test_a_name_with_a_blank_cannot_stand_in_a_list_of_words(tmp_path: Path, rated: list[Sample]) -> None:
    samples = [*rated[:4], replace(rated[4], image="images/my photo.jpg")]
    with pytest.raises(DataError, match=r"such as koniq-4: its name holds a blank"):
        run(tmp_path, samples, "visualquality-r1-txt")


@pytest.mark.parametrize(
    ("form", "change", "complaint"),
    [
        ("visualquality-r1-txt", {"mos_std": None}, r"2 of 3 images have a std, .* --no-std leaves it out"),
        ("visualquality-r1-txt", {"reference": None}, r"2 of 3 images have a reference, .* --no-reference leaves"),
        ("pyiqa", {"reference": None}, r"2 of 3 images have a reference, and pyiqa has it in every row or in none"),
    ],
)
def test_a_word_that_some_rows_lack_is_refused_where_rows_are_told_apart_by_it(
    tmp_path: Path, referenced: list[Sample], form: str, change: dict[str, Any], complaint: str
) -> None:
    samples = [*referenced[:4], replace(referenced[4], **change)]
    with pytest.raises(DataError, match=complaint):
        run(tmp_path, samples, form)
    assert run(tmp_path, samples, form, std=False, reference=False).rows == 3


def test_pairs_without_a_reference_are_refused_with_the_way_to_make_others(tmp_path: Path, rated: list[Sample]) -> None:
    pair = {"image_a": "koniq-2", "image_b": "koniq-3", "choice": "Image B", "dataset": "koniq"}
    with pytest.raises(ConfigError, match=r"no .*pairs-test\.jsonl; .*`loupe data pairs data=.* same_reference=true`$"):
        run(tmp_path, rated, "q-insight-comparison")
    write_jsonl(tmp_path / "data" / "pairs-test.jsonl", [pair])
    with pytest.raises(DataError, match=r"cannot hold 1 of 1 pairs: it has no reference; .*same_reference=true`$"):
        run(tmp_path, rated, "q-insight-comparison")
    write_jsonl(tmp_path / "data" / "pairs-test.jsonl", [pair, pair | {"reference": "koniq-4"}])
    assert run(tmp_path, rated, "q-insight-comparison", leave_out=True).left_out == {"it has no reference": 1}
    write_jsonl(tmp_path / "data" / "pairs-test.jsonl", [pair | {"reference": "koniq-0"}])
    with pytest.raises(DataError, match=r"line 1: got .*wanted images of the split"):
        run(tmp_path, rated, "q-insight-comparison")


@pytest.mark.parametrize("form", ["deqa", "zoom-iqa", "visualquality-r1-txt"])
def test_a_scale_that_runs_the_other_way_is_turned_where_more_is_better(
    tmp_path: Path, rated: list[Sample], form: str
) -> None:
    worse = [replace(item, higher_is_better=False, rating=5 - item.mos / 25) for item in rated]
    done = run(tmp_path, worse, form)
    assert done.notes == ("opinions on 0..100, turned so that higher is better: 0 + 100 - mos",)
    text = (tmp_path / "out.json").read_text()
    first = float(text.split()[1]) if form.endswith("txt") else json.loads(text)[0]["gt_score"]
    assert first == pytest.approx(100 - 30.1)
    if form == "deqa":
        assert json.loads(text)[0]["gt_score_norm"] == pytest.approx(1 + 4 * (69.9 - 10) / 80)


@pytest.mark.parametrize("form", ["pyiqa", "csv"])
def test_a_table_keeps_the_direction_of_the_data_set_and_says_so(
    tmp_path: Path, rated: list[Sample], form: str
) -> None:
    worse = [replace(item, higher_is_better=False, rating=5 - item.mos / 25) for item in rated]
    assert run(tmp_path, worse, form).notes == ("opinions on 0..100, lower is better",)
    assert ",30.1," in (tmp_path / "out.json").read_text()


def test_opinions_of_two_scales_do_not_come_into_one_file(tmp_path: Path, rated: list[Sample]) -> None:
    other = replace(rated[4], dataset="kadid", mos=3.0, rating=3.0, scale_min=1.0, scale_max=5.0, mos_std=0.5)
    with pytest.raises(DataError, match=r"several scales \(0\.\.100, 1\.\.5\) .* --values rating"):
        run(tmp_path, [*rated[:4], other], "csv")
    assert run(tmp_path, [*rated[:4], other], "csv", values="rating").rows == 3
    assert run(tmp_path, [*rated[:4], other], "visualquality-r1-jsonl").rows == 3


def test_opinions_that_are_all_one_cannot_be_stretched(tmp_path: Path, rated: list[Sample]) -> None:
    with pytest.raises(DataError, match=r"all opinions of koniq are 3; wanted a range"):
        run(tmp_path, [replace(item, mos=3.0) for item in rated], "deqa")


def test_a_call_that_means_nothing_is_refused(tmp_path: Path, rated: list[Sample]) -> None:
    for settings, complaint in (
        ({"format": "xml"}, r"got the format 'xml'; wanted one of deqa, .*q-insight-comparison"),
        ({"values": "stars"}, r"got values 'stars'; wanted raw or rating"),
        ({"output": ""}, r"name one with --output"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            run(tmp_path, rated, "csv", **settings)
    with pytest.raises(MissingFileError, match=r"no split 'vla' in .*; its splits: train, test, or all"):
        run(tmp_path, rated, "csv", split="vla")
    with pytest.raises(ConfigError, match=r"is one of the files to read"):
        run(tmp_path, rated, "csv", output=str(tmp_path / "data" / "test.jsonl"))
    with pytest.raises(MissingFileError, match=r"no data folder .*nowhere; make one with"):
        export(ExportConfig(data=str(tmp_path / "nowhere"), format="csv", output=str(tmp_path / "x.csv")))
