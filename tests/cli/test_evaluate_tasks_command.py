"""`loupe evaluate` with protocols that ask for something else than a rating, played by an agent of these tests."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench import evaluate as bench
from loupe.bench.comparison import run as comparison
from loupe.cli.main import main
from loupe.core.files import write_jsonl
from loupe.core.records import WHOLE, Degradation, Sample
from loupe.zoom.scripted import ScriptedPolicy


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), list[Sample]()
    for number in range(4):
        name, damage = f"images/s{number}.png", Degradation("blur", 2, WHOLE)
        rows.append(Sample(f"s{number}", name, "t", "test", 1.0 + number, 1.0 + number, degradation=damage))
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / name)
    write_jsonl(folder / "test.jsonl", [row.to_json() for row in rows])
    pairs = [
        {"image_a": a, "image_b": b, "choice": choice, "dataset": "t"}
        for a, b, choice in (("s0", "s1", "Image B"), ("s1", "s0", "Image A"), ("s2", "s3", "Image B"))
    ]
    write_jsonl(folder / "pairs-test.jsonl", pairs)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_protocol_that_compares_is_played_over_the_pairs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
):
    agent, real = ScriptedPolicy(lambda _: "<answer>Image A</answer>"), comparison.compare
    monkeypatch.setattr(comparison, "compare", lambda config, progress: real(config, policy=agent, progress=progress))
    out = tmp_path / "out"
    assert run(monkeypatch, "evaluate", "protocol=compare", f"data={data}", f"out={out}", "n_boot=50") == 0
    shown = capsys.readouterr()
    lines = {line.split("  ")[0]: line.split()[-2:] for line in shown.out.splitlines() if line.strip()}
    assert lines["right, of all answers"] == ["3", ".333"]
    assert lines["same answer in both orders, of pairs"] == ["1", ".000"]
    assert lines["says Image A less Image B"] == ["2", "+1.000"]
    assert "0 of 3 answers (0.0 %) were unusable" in shown.err
    assert {path.name for path in out.iterdir()} >= {"comparisons.jsonl", "summary.json", "config.yaml"}


def test_a_protocol_without_a_rating_prints_the_table_of_classes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
):
    agent = ScriptedPolicy(lambda _: '<answer>{"distortion_class": "blur", "severity": "slight"}</answer>')
    real = bench.evaluate
    monkeypatch.setattr(bench, "evaluate", lambda config, progress: real(config, policy=agent, progress=progress))
    out = tmp_path / "out"
    assert run(monkeypatch, "evaluate", "protocol=degradation", f"data={data}", f"out={out}", "n_boot=0") == 0
    shown = capsys.readouterr()
    (row,) = [line.split() for line in shown.out.splitlines() if line.startswith("blur")]
    assert row == ["blur", "4", "1.000", ".000"]
    assert "mean over classes (macro)" in shown.out and "SRCC" not in shown.out
    assert "0 of 4 answers were unusable" in shown.err


def test_pairs_that_are_missing_are_told_of_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
):
    (data / "pairs-test.jsonl").unlink()
    assert run(monkeypatch, "evaluate", "protocol=compare", f"data={data}", f"out={tmp_path / 'out'}") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "loupe data pairs" in said
