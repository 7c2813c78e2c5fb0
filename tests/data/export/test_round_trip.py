"""What is exported is read again as it was: opinions, deviations, references, shares, damages and pairs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loupe.core.files import read_jsonl, write_jsonl
from loupe.core.records import Sample
from loupe.data.export.run import ExportConfig, Exported, export
from loupe.data.pairs import PairsConfig, write_pairs
from loupe.data.recipes.readers import PAIR_READERS, READERS
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow


def folder_of(path: Path, samples: Sequence[Sample]) -> Path:
    for split in {item.split for item in samples}:
        write_jsonl(path / f"{split}.jsonl", [item.to_json() for item in samples if item.split == split])
    return path


def written(tmp_path: Path, samples: Sequence[Sample], form: str, **settings: Any) -> tuple[Path, Exported]:
    folder = folder_of(tmp_path / "data", samples)
    target = tmp_path / f"test_{form}{'.jsonl' if form.endswith('jsonl') else '.json'}"
    return target, export(ExportConfig(**({"data": str(folder), "format": form, "output": str(target)} | settings)))


def again(path: Path, reader: str, **settings: Any) -> list[LabelRow]:
    return list(READERS[reader]([path], Recipe(**({"name": "x", "std": "std"} | settings))))


def those_of_test(samples: Sequence[Sample]) -> list[Sample]:
    return [item for item in samples if item.split == "test"]


def test_deqa_keeps_raw_opinions_deviations_and_shares(tmp_path: Path, referenced: list[Sample]) -> None:
    path, done = written(tmp_path, referenced, "deqa")
    assert again(path, "deqa") == [
        LabelRow(item.image, item.mos, item.mos_std, split="test", level_probs=item.level_probs)
        for item in those_of_test(referenced)
    ]
    assert (done.rows, done.left_out, done.notes) == (3, {}, ("opinions on 0..100, higher is better",))


def test_opinions_are_stretched_by_the_range_of_the_whole_set_and_not_of_the_split(
    tmp_path: Path, rated: list[Sample]
) -> None:
    path, _ = written(tmp_path, rated, "q-insight-score")
    # The set runs from 10 to 90, so 30.1 is a quarter of the way up: 1 + 4 * 20.1 / 80.
    first = json.loads(path.read_text())[0]
    assert first["gt_score_norm"] == pytest.approx(1 + 4 * 20.1 / 80)
    assert first["std_norm"] == pytest.approx(4 * rated[2].mos_std / 80)  # type: ignore[operator]
    assert (first["id"], first["image"]) == ("2.jpg->30.1", "images/2.jpg")
    rows = again(path, "q-insight-score", scale_min=1.0, scale_max=5.0)
    assert [(row.mos, row.mos_std) for row in rows] == [
        (item["gt_score_norm"], item["std_norm"]) for item in json.loads(path.read_text())
    ]


def test_words_of_levels_are_those_of_five_equal_parts(tmp_path: Path, rated: list[Sample]) -> None:
    path, _ = written(tmp_path, rated, "deqa", split="all")
    said = [row["conversations"][1]["value"] for row in json.loads(path.read_text())]
    assert said == [f"People find it {word}." for word in ("bad", "excellent", "poor", "fair", "good")]


def test_questions_are_our_own_words(tmp_path: Path, rated: list[Sample]) -> None:
    for form in ("deqa", "zoom-iqa"):
        path, _ = written(tmp_path, rated, form)
        asked = {row["conversations"][0]["value"] for row in json.loads(path.read_text())}
        assert asked == {"How would people rate the quality of this picture?\n<|image|>"}


def test_distortions_are_words_and_a_clean_image_is_the_word_null(tmp_path: Path, referenced: list[Sample]) -> None:
    path, _ = written(tmp_path, referenced, "q-insight-distortion", split="all")
    rows = json.loads(path.read_text())
    assert rows[0] == {"image": "images/0.jpg", "distortion_class": "blur", "severity": "obvious"}
    assert rows[3] == {"image": "images/3.jpg", "distortion_class": "null", "severity": "null"}
    read = again(path, "q-insight-distortion")
    assert [(row.image, row.distortion, row.level) for row in read] == [
        (item.image, item.degradation.distortion_class, item.degradation.severity)  # type: ignore[union-attr]
        for item in sorted(referenced, key=lambda item: ("train", "val", "test").index(item.split))
    ]


def test_comparisons_keep_pairs_and_the_picture_that_both_were_made_from(
    tmp_path: Path, referenced: list[Sample]
) -> None:
    folder = folder_of(tmp_path / "data", referenced)
    write_pairs(PairsConfig(data=str(folder), split="test", count=1, alike_share=0.0, same_reference=True))
    target = tmp_path / "test_comparison.json"
    done = export(ExportConfig(data=str(folder), format="q-insight-comparison", output=str(target)))
    assert done.rows == 2
    files = {item.id: item.image for item in referenced}
    wanted = [
        (files[row["image_a"]], files[row["image_b"]], row["choice"]) for row in read_jsonl(folder / "pairs-test.jsonl")
    ]
    read = list(PAIR_READERS["q-insight-comparison"]([target], Recipe()))
    assert [(pair.image_a, pair.image_b, pair.choice) for pair in read] == wanted
    assert {pair.reference for pair in read} == {"references/0.png"}


def test_a_reference_that_is_an_image_of_the_split_is_written_by_its_file(tmp_path: Path, rated: list[Sample]) -> None:
    folder = folder_of(tmp_path / "data", rated)
    pair = {"image_a": "koniq-2", "image_b": "koniq-3", "choice": "Similar", "dataset": "koniq", "reference": "koniq-4"}
    write_jsonl(folder / "pairs-test.jsonl", [pair])
    target = tmp_path / "x.json"
    export(ExportConfig(data=str(folder), format="q-insight-comparison", output=str(target)))
    wanted = {"ref_image": "images/4.jpg", "ImageA": "images/2.jpg", "ImageB": "images/3.jpg", "result": "Similar"}
    assert json.loads(target.read_text()) == [wanted]


@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("std", [True, False])
def test_lists_keep_the_words_that_they_have(
    tmp_path: Path, referenced: list[Sample], std: bool, reference: bool
) -> None:
    path, _ = written(tmp_path, referenced, "visualquality-r1-txt", std=std, reference=reference)
    read = again(path, "visualquality-r1-txt", scale_min=0.0, scale_max=100.0)
    assert read == [
        LabelRow(
            item.image,
            item.mos,
            item.mos_std if std else None,
            reference=item.reference if reference else None,
            split="test",
        )
        for item in those_of_test(referenced)
    ]


@pytest.mark.parametrize("form", ["visualquality-r1-txt", "pyiqa", "csv"])
def test_deviations_stand_on_the_scale_of_the_opinions_beside_them(
    tmp_path: Path, rated: list[Sample], form: str
) -> None:
    path, done = written(tmp_path, rated, form, values="rating")
    reader = {"csv": "plain-csv"}.get(form, form)
    for row, item in zip(again(path, reader, scale_min=1.0, scale_max=5.0), those_of_test(rated), strict=True):
        assert (row.mos, row.mos_std) == (item.rating, pytest.approx(item.mos_std / 25))  # type: ignore[operator]
    assert done.notes == ("opinions on 1..5, higher is better",)


def test_training_rows_hold_ratings(tmp_path: Path, rated: list[Sample]) -> None:
    path, _ = written(tmp_path, rated, "visualquality-r1-jsonl")
    assert again(path, "visualquality-r1-jsonl") == [
        LabelRow(item.image, item.rating, split="test", dataset="koniq") for item in those_of_test(rated)
    ]
    first = read_jsonl(path)[0]
    assert (first["id"], first["image"]) == (1, ["images/2.jpg"])


@pytest.mark.parametrize("with_reference", [True, False])
def test_pyiqas_file_has_all_splits_in_one_column(
    tmp_path: Path, rated: list[Sample], referenced: list[Sample], with_reference: bool
) -> None:
    samples = referenced if with_reference else rated
    path, _ = written(tmp_path, samples, "pyiqa", split="all")
    head = path.read_text().splitlines()[0]
    assert head == ("ref_name,dist_name" if with_reference else "img_name") + ",mos,std,official_split"
    assert again(path, "pyiqa") == [
        LabelRow(item.image, item.mos, item.mos_std, reference=item.reference, split=item.split) for item in samples
    ]


def test_annotations_of_zoom_iqa_keep_ids_and_raw_opinions(tmp_path: Path, rated: list[Sample]) -> None:
    path, _ = written(tmp_path, rated, "zoom-iqa")
    assert again(path, "zoom-iqa") == [LabelRow(item.image, item.mos, split="test") for item in those_of_test(rated)]
    assert [row["id"] for row in json.loads(path.read_text())] == ["koniq-2", "koniq-3", "koniq-4"]


def test_a_plain_csv_keeps_everything_and_images_that_nobody_rated(
    tmp_path: Path, referenced: list[Sample], unrated: Sample
) -> None:
    odd = replace(unrated, image='images/a, "b"\n.jpg')
    path, _ = written(tmp_path, [*referenced, odd], "csv", split="all")
    *read, last = again(path, "plain-csv")
    assert read == [
        LabelRow(
            item.image,
            item.mos,
            item.mos_std,
            reference=item.reference,
            group=item.ref_id,
            split=item.split,
            distortion=item.distortion,
            level=item.degradation.severity,  # type: ignore[union-attr]
            dataset="koniq",
        )
        for item in referenced
    ]
    assert (last.image, last.mos != last.mos, last.mos_std) == (odd.image, True, None)


def test_columns_that_no_image_has_a_value_for_are_left_out(tmp_path: Path, rated: list[Sample]) -> None:
    path, _ = written(tmp_path, [replace(item, mos_std=None) for item in rated], "csv")
    assert path.read_text().splitlines()[0] == "image,mos,split,dataset"
