"""The whole audit: from a data folder to audit.json."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import write_json, write_jsonl
from loupe.core.records import Sample
from loupe.data.audit.config import DataAuditConfig
from loupe.data.audit.finding import Finding, Status, worst
from loupe.data.audit.run import audit, read_audit

CHECKS = [
    "images decode",
    "image sizes",
    "exact duplicates",
    "near duplicates",
    "reference leakage",
    "direction",
    "scale of mos",
    "rating from mos",
    "scale of mos_std",
    "opinions",
]


def test_a_synthetic_folder_passes_every_check(synthetic_folder: Path, tmp_path: Path):
    steps: list[tuple[int, int]] = []
    config = DataAuditConfig(data=str(synthetic_folder), out=str(tmp_path), workers=1)
    result = read_audit(audit(config, progress=lambda done, total: steps.append((done, total))))
    assert [item["name"] for item in result["findings"]] == CHECKS
    assert {item["name"]: item["status"] for item in result["findings"] if item["status"] != "ok"} == {
        "direction": "skipped",
        "scale of mos_std": "skipped",
    }
    assert (result["status"], steps[-1]) == ("ok", (24, 24))
    assert result["counts"] == {"synthetic": {"train": 20, "val": 4, "test": 0}}
    assert sum(result["histograms"]["mos"]["synthetic"]["train"]["counts"]) == 20
    assert sum(result["histograms"]["sizes"]["short side"]["counts"]) == 24


def test_data_sets_of_one_folder_are_judged_apart(
    tmp_path: Path, rows: Callable[..., list[Sample]], picture: Callable[..., Image.Image]
):
    fine, wrong = rows([1.0, 2.0, 3.0]), rows([10.0, 20.0, 700.0], scale_max=100.0)
    both = [*fine, *(replace(row, id=f"w{row.id}", dataset="wrong", image=f"w{row.image}") for row in wrong)]
    for number, row in enumerate(both):
        picture(number).save(tmp_path / row.image)
    write_jsonl(tmp_path / "test.jsonl", (row.to_json() for row in both))
    result = read_audit(audit(DataAuditConfig(data=str(tmp_path), workers=1)))
    failed = [(item["name"], item["dataset"]) for item in result["findings"] if item["status"] == "fail"]
    assert failed == [("scale of mos", "wrong")]
    assert (tmp_path / "audit" / "audit.json").is_file()


def test_a_folder_that_nobody_rated_is_checked_for_the_rest(
    tmp_path: Path, rows: Callable[..., list[Sample]], picture: Callable[..., Image.Image]
):
    (row,) = rows([3.0])
    picture(1).save(tmp_path / row.image)
    (tmp_path / "train.jsonl").write_text(
        json.dumps(row.to_json() | {"split": "train", "mos": None, "rating": None}) + "\n"
    )
    result = read_audit(audit(DataAuditConfig(data=str(tmp_path), workers=1)))
    assert (result["status"], result["histograms"]["mos"]) == ("ok", {})
    assert {item["status"] for item in result["findings"] if item["dataset"]} == {"skipped"}


@pytest.mark.parametrize("change", [{"distance": -1}, {"distance": 17}, {"workers": -1}, {"max_pixels": 0}])
def test_settings_out_of_range_are_refused(change: dict[str, int]):
    with pytest.raises(ConfigError, match="wanted"):
        DataAuditConfig(**change)  # type: ignore[arg-type]


def test_folders_that_are_none_are_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(MissingFileError, match="no data folder was named"):
        audit(DataAuditConfig())
    with pytest.raises(MissingFileError, match="no folder"):
        audit(DataAuditConfig(data=str(tmp_path / "nowhere")))
    with pytest.raises(MissingFileError, match="holds none of"):
        audit(DataAuditConfig(data=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        audit(DataAuditConfig(data=str(tmp_path), out=str(tmp_path / "file")))


def test_a_result_of_another_form_is_refused(tmp_path: Path):
    write_json(tmp_path / "audit.json", {})
    with pytest.raises(DataError, match="holds no findings"):
        read_audit(tmp_path / "audit.json")


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ([], Status.OK),
        ([Status.SKIPPED, Status.OK], Status.OK),
        ([Status.OK, Status.WARN], Status.WARN),
        ([Status.WARN, Status.FAIL, Status.OK], Status.FAIL),
    ],
)
def test_the_verdict_is_that_of_the_worst_check(statuses: list[Status], verdict: Status):
    assert worst(Finding("x", status, "") for status in statuses) is verdict
