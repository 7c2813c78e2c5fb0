import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loupe.cli.main import main
from loupe.core.files import read_json

PROGRAM = [sys.executable, "-c", "from loupe.cli.main import main; main()", "data", "rationales"]


def words(server: Any, data: Path, out: Path) -> list[str]:
    asked = (f"base_url={server.url}", "model=m", "key_variable=", "concurrency=4", "timeout_s=1", "backoff_s=0.02")
    return [
        f"data={data}",
        "splits=[train]",
        f"out={out}",
        "consistency.judge=endpoint",
        "consistency.use_label=false",
        *(f"{where}.{word}" for where in ("endpoint", "consistency.judge_endpoint") for word in asked),
    ]


def run(monkeypatch: pytest.MonkeyPatch, *line: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", "data", "rationales", *line])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_killed_run_with_faults_ends_like_one_without_and_pays_for_each_request_once(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    synthetic_folder: Path,
    serve: Callable[..., Any],
    server_module: ModuleType,
):
    calm, rough = serve(), serve(fault=server_module.sometimes(0.2), seconds=0.03)
    assert run(monkeypatch, *words(calm, synthetic_folder, tmp_path / "calm")) == 0
    line = words(rough, synthetic_folder, tmp_path / "rough")
    process = subprocess.Popen([*PROGRAM, *line], stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    journal = tmp_path / "rough" / "requests" / "generate.jsonl"
    while not (journal.exists() and journal.read_bytes().count(b'"answered"') >= 15):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    answered_before = rough.answered.total()
    assert not (tmp_path / "rough" / "manifest.json").exists()
    assert run(monkeypatch, *line, "--resume") == 0
    rationales = Path("rationales") / "train.jsonl"
    assert (tmp_path / "calm" / rationales).read_bytes() == (tmp_path / "rough" / rationales).read_bytes()
    first, second = (read_json(tmp_path / name / "manifest.json") for name in ("calm", "rough"))
    assert first["counts"] == second["counts"]
    cost = second["cost"]["total"]
    # Whether the server sees is asked by each process, in two requests; all others are paid for once.
    assert cost["answered"] == len(rough.answered) == first["cost"]["total"]["answered"] + 2
    sight = {"prompt_tokens": 2 * 2 + 64, "completion_tokens": 2}
    for key, again in sight.items():
        assert cost[key] - again == first["cost"]["total"][key] == calm.tokens[key]
    # What was under way at the kill is the only thing that can have been answered twice, and the manifest says so.
    assert rough.answered.total() - len(rough.answered) <= cost["unknown"] <= 4
    assert 0 < answered_before < rough.answered.total()
    assert sum(rough.faults.values()) > 0


def test_the_screen_shows_stages_and_cost(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    synthetic_folder: Path,
    serve: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
):
    assert run(monkeypatch, *words(serve(), synthetic_folder, tmp_path / "out"), "limit=5") == 0
    shown = capsys.readouterr()
    lines = {line.split("  ")[0]: line.split() for line in shown.out.splitlines() if line.strip()}
    assert {"generate", "reliance", "consistency", "images kept", "total"} <= set(lines)
    assert lines["images kept"][2] == "5"
    assert "rationales/train.jsonl" in shown.err
    assert (tmp_path / "out" / "rationales.html").is_file()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (("teachr=truth",), "did you mean teacher?"),
        (("teacher=oracle",), "wanted one of endpoint, truth"),
        ((), "base_url and model"),
        (("teacher=truth", "data=nowhere"), "nowhere"),
    ],
)
def test_a_wrong_call_is_one_line_and_makes_nothing(
    line: tuple[str, ...],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    synthetic_folder: Path,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, f"data={synthetic_folder}", *line) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_help_shows_examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "--help") == 0
    assert "loupe data rationales --config configs/pocket/rationales.yaml" in capsys.readouterr().out
