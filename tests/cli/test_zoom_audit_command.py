import json
import sys
from pathlib import Path

import pytest

from loupe.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_zoom_audit_of_the_pocket_agent_ends_with_its_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], synthetic_folder: Path, tmp_path: Path
):
    monkeypatch.setenv("COLUMNS", "160")
    config = tmp_path / "audit.yaml"
    config.write_text("split: val\nn_boot: 20\nseeds: 2\nshallow: 1\nstrengths: [3]\n")
    words = ["--zoom-audit", "--config", str(config), f"data={synthetic_folder}", f"out={tmp_path / 'out'}"]
    assert run(monkeypatch, "evaluate", *words) == 0
    shown = capsys.readouterr().out
    assert "own crop less a random crop of equal area, all images" in shown
    assert "0 red" in shown
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert found["settings"]["strengths"] == [3]
    assert (tmp_path / "out" / "audit" / "split-1" / "predictions.jsonl").is_file()
    assert run(monkeypatch, "evaluate", *words) == 2
    assert "resume=true" in capsys.readouterr().err
    assert run(monkeypatch, "evaluate", *words, "--resume") == 0


def test_settings_of_the_audit_are_unknown_to_a_plain_evaluation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "evaluate", "strengths=[3]") == 2
    assert "strengths" in capsys.readouterr().err


def test_the_help_page_has_an_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COLUMNS", "160")
    assert run(monkeypatch, "evaluate", "--help") == 0
    shown = capsys.readouterr().out
    assert "loupe evaluate --zoom-audit --config configs/pocket/audit.yaml" in shown
