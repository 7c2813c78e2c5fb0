import sys
from pathlib import Path

import pytest

from loupe.bench import evaluate as bench
from loupe.bench import report as bench_report
from loupe.cli.main import main
from loupe.core.errors import ConfigError


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_file_overrides_and_resume_meet_in_one_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "e.yaml"
    path.write_text("limit: 5\nseed: 7\n")
    seen: list[bench.EvaluateConfig] = []

    def record(config: bench.EvaluateConfig, **_: object) -> None:
        seen.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr(bench, "evaluate", record)
    assert run(monkeypatch, "evaluate", "--config", str(path), "limit=9", "--resume") == 2
    assert (seen[0].limit, seen[0].seed, seen[0].resume) == (9, 7, True)


def test_the_rows_of_a_report_are_named_on_the_command_line(monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[bench_report.ReportInputs, object]] = []

    def record(runs: bench_report.ReportInputs, out: object) -> None:
        seen.append((runs, out))
        raise ConfigError("enough")

    monkeypatch.setattr(bench_report, "report", record)
    assert run(monkeypatch, "report", "evaluations.agent=runs/x", "trainings.GRPO=runs/y", "out=there") == 2
    assert seen[0][0].evaluations == {"agent": "runs/x"}
    assert seen[0][0].trainings == {"GRPO": "runs/y"}
    assert seen[0][1] == "there"


def test_an_unknown_key_names_the_nearest_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "evaluate", "modle=x") == 2
    assert "did you mean model?" in capsys.readouterr().err
