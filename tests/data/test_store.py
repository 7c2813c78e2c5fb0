import json
from pathlib import Path

import pytest

from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import write_jsonl
from loupe.core.records import WHOLE, Degradation, Learn, Rationale, RationaleTurn, Sample
from loupe.data.evidence import Evidence
from loupe.data.store import load_evidence, load_rationales, load_samples

SAMPLES = [
    Sample("a", "images/a.png", "d", "train", 2.5, 2.5, ref_id="leaves", degradation=Degradation(None, 0, None)),
    Sample("b", "b.png", "d", "train", 4.0, 61.0, 0.0, 100.0, mos_std=3.5, hard=True),
    Sample("ü", "c.png", "d", "train", 1.0, 1.0, degradation=Degradation("blur", 5, (0.25, 0.0, 0.75, 0.5), "lens")),
]


def test_samples_come_back_as_they_were_written(tmp_path: Path):
    write_jsonl(tmp_path / "train.jsonl", [sample.to_json() for sample in SAMPLES])
    assert load_samples(tmp_path, "train") == SAMPLES


def test_evidence_and_rationales_lie_in_folders_of_their_own(tmp_path: Path):
    evidence = [Evidence("a", 2.5, 3.5, (1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, 1.0))]
    turns = (RationaleTurn(WHOLE, "first", learn=Learn.NOTHING), RationaleTurn((0.5, 0.5, 1.0, 1.0), "second"))
    rationales = [Rationale("a", turns), Rationale("b", turns[:1], zoom_allowed=False)]
    write_jsonl(tmp_path / "evidence/val.jsonl", [item.to_json() for item in evidence])
    write_jsonl(tmp_path / "rationales/val.jsonl", [item.to_json() for item in rationales])
    assert load_evidence(tmp_path, "val") == evidence
    assert load_rationales(tmp_path, "val") == rationales


@pytest.mark.parametrize("load", [load_samples, load_evidence, load_rationales])
def test_a_split_that_is_not_there_is_named_with_the_verb_that_makes_it(load, tmp_path: Path):
    with pytest.raises(MissingFileError, match=r"train\.jsonl; make the folder with `loupe data synth`"):
        load(tmp_path, "train")


@pytest.mark.parametrize(
    "change",
    [{"colour": "red"}, {"degradation": {"severity": 2}}, {"degradation": 5}, {"rating": None, "id": None}],
)
def test_a_row_that_does_not_fit_names_its_file(change: dict[str, object], tmp_path: Path):
    row = {**SAMPLES[0].to_json(), **change}
    if change.get("id", "") is None:
        del row["id"]
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"test\.jsonl: a row does not fit"):
        load_samples(tmp_path, "test")


def test_a_line_that_is_no_json_names_its_number(tmp_path: Path):
    (tmp_path / "test.jsonl").write_text(json.dumps(SAMPLES[0].to_json()) + "\n{oops\n")
    with pytest.raises(DataError, match=r"test\.jsonl, line 2"):
        load_samples(tmp_path, "test")


def test_an_empty_split_is_an_empty_list(tmp_path: Path):
    (tmp_path / "test.jsonl").touch()
    assert load_samples(tmp_path, "test") == []


def test_an_id_that_comes_twice_is_refused(tmp_path: Path):
    write_jsonl(tmp_path / "test.jsonl", [SAMPLES[0].to_json()] * 2)
    with pytest.raises(DataError, match="'a' comes twice"):
        load_samples(tmp_path, "test")
