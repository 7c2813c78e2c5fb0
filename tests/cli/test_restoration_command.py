"""`loupe bench restoration` and `loupe assess --prompts-for-restoration` with the shipped agent."""

import json
import sys
from pathlib import Path

import pytest

from loupe.cli.main import main
from loupe.core.files import read_json, read_jsonl
from loupe.core.records import DISTORTION_CLASSES
from loupe.data.store import load_samples


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_loop_runs_from_a_config_and_resumes(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "restoration.yaml"
    config.write_text(f"data: {synthetic_folder}\nsplit: train\nrandom_seeds: 1\nn_boot: 20\nshown: 1\n")
    out = tmp_path / "out"
    words = ("bench", "restoration", "--config", config, f"out={out}", "limit=4")
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr()
    assert "agent - fixed" in shown.out
    assert "4 images of 1 pristine ones" in shown.err
    assert {path.name for path in out.iterdir()} >= {"restoration.json", "table.md", "restoration.html", "config.yaml"}
    before = read_json(out / "restoration.json")["results"]
    assert run(monkeypatch, *words) == 2
    assert "resume" in capsys.readouterr().err
    assert run(monkeypatch, *words, "--resume") == 0
    assert read_json(out / "restoration.json")["results"] == before


def test_an_unknown_key_names_the_nearest_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "bench", "restoration", "random_seds=3") == 2
    assert "did you mean random_seeds?" in capsys.readouterr().err


def test_prompts_take_the_place_of_results_on_screen_and_in_the_file(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pictures = [synthetic_folder / sample.image for sample in load_samples(synthetic_folder, "val")[:2]]
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    target = tmp_path / "prompts.jsonl"
    words = ("assess", *pictures, bad, "--prompts-for-restoration", "--samples", 1, "--output", target)
    assert run(monkeypatch, *words) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == read_jsonl(target)
    assert [row["image"] for row in rows] == [str(path) for path in (*pictures, bad)]
    for row in rows[:2]:
        assert row["source"] == "diagnosis"
        assert row["distortion_class"] in (*DISTORTION_CLASSES, None)
        assert row["positive_prompt"]
        assert row["negative_prompt"]
    assert rows[2]["positive_prompt"] is None
    assert "no image" in rows[2]["problem"]
