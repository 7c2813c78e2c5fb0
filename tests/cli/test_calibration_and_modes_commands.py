"""`loupe evaluate` with calibrate, --samples and --fast, `loupe assess --calibration`, and `loupe bench modes`, with
the shipped agent on a few images."""

import json
import sys
from pathlib import Path

import pytest

from loupe.bench import evaluate as bench
from loupe.cli.main import main
from loupe.core.errors import ConfigError
from loupe.core.files import read_json
from loupe.data.store import load_samples


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_options_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bench.EvaluateConfig] = []

    def record(config: bench.EvaluateConfig, **_: object) -> None:
        seen.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr(bench, "evaluate", record)
    assert run(monkeypatch, "evaluate", "--samples", 3, "looks=[never]") == 2
    assert run(monkeypatch, "evaluate", "--fast") == 2
    assert [(item.samples, item.fast) for item in seen] == [(3, False), (1, True)]


def test_intervals_are_calibrated_and_put_around_a_rating(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calibrated"
    words = ["looks=[never]", "alpha=0.5", "n_boot=20", "trails=0", "split=train", "limit=6", "by=image"]
    assert run(monkeypatch, "evaluate", f"data={synthetic_folder}", f"out={out}", "calibrate=val", *words) == 0
    shown = capsys.readouterr()
    assert "rating points (chosen)" in shown.out
    assert "intervals that shall hold 50 % hold" in shown.err
    made = read_json(out / "calibration.json")
    image = synthetic_folder / load_samples(synthetic_folder, "train")[0].image
    asked = ("assess", image, "--calibration", out / "calibration.json", "--no-zoom", "--json")
    assert run(monkeypatch, *asked, "--samples", 1) == 0
    row = json.loads(capsys.readouterr().out)
    low, high = row["interval"]
    assert max(1.0, row["rating"] - made["quantile"]) == pytest.approx(low)
    assert min(5.0, row["rating"] + made["quantile"]) == pytest.approx(high)
    assert row["holds"] == 0.5
    assert run(monkeypatch, *asked[:-1], "--samples", 1) == 0
    shown = capsys.readouterr()
    assert "50 % interval" in shown.out
    assert "and of no others" in shown.err
    assert run(monkeypatch, *asked) == 2
    assert "samples was 1, is 4" in capsys.readouterr().err


def test_the_fast_mode_has_a_line_of_its_own_and_no_looks(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"data={synthetic_folder}", f"out={tmp_path / 'fast'}", "split=train", "limit=6", "n_boot=0", "trails=1"]
    assert run(monkeypatch, "evaluate", "--fast", *words) == 0
    shown = capsys.readouterr().out
    assert "read off in one pass" in shown
    assert "zoom as decided" not in shown
    image = synthetic_folder / load_samples(synthetic_folder, "train")[0].image
    assert run(monkeypatch, "assess", image, "--fast", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["samples"][0]["stop_reason"] == "read_off"
    assert 1.0 <= row["rating"] <= 5.0


def test_the_mean_of_several_judgements_has_a_line(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"data={synthetic_folder}", f"out={tmp_path / 'many'}", "split=train", "limit=4", "n_boot=0", "trails=0"]
    assert run(monkeypatch, "evaluate", "--samples", 2, "looks=[never]", *words) == 0
    assert "never, 2 answers" in capsys.readouterr().out


def test_the_modes_run_from_a_config_and_resume(
    monkeypatch: pytest.MonkeyPatch, synthetic_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = tmp_path / "modes.yaml", tmp_path / "modes"
    config.write_text(f"data: {synthetic_folder}\nsplit: train\nn_boot: 20\nsamples: 2\nchunk: 1\n")
    words = ("bench", "modes", "--config", config, f"out={out}", "limit=3")
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr()
    assert "zoom, mean of 2" in shown.out
    assert "zoom as decided less reasoning, no zoom" in shown.out
    before = read_json(out / "modes.json")
    assert before["modes"][0]["speed"][0] == 1.0
    assert run(monkeypatch, *words) == 2
    assert "resume" in capsys.readouterr().err
    assert run(monkeypatch, *words, "--resume") == 0
    after = read_json(out / "modes.json")
    assert (after["modes"], after["differences"]) == (before["modes"], before["differences"])
