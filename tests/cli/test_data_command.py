import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loupe.cli.main import main
from loupe.core.files import read_jsonl
from loupe.data import synth

TINY = ("train=3", "val=1", "test=2", "versions=2", "size=56", "workers=1")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_images_are_made_and_counted_on_the_screen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "made"
    assert run(monkeypatch, "data", "synth", f"out={folder}", *TINY) == 0
    shown = capsys.readouterr()
    head, train, val, test = (line.split() for line in shown.out.splitlines())
    assert head == ["split", "images", "pristine", "hard", "local"]
    assert (train[:3], val[:3], test[:3]) == (["train", "6", "3"], ["val", "2", "1"], ["test", "4", "2"])
    assert str(folder) in shown.err.replace("\n", "")
    assert len(list((folder / "images").iterdir())) == 12


def test_the_file_and_the_words_meet_in_one_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "data.yaml"
    path.write_text("train: 7\nseed: 5\n")
    seen: list[synth.SynthConfig] = []

    def record(config: synth.SynthConfig, **_: object) -> Path:
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(synth, "synthesise", record)
    assert run(monkeypatch, "data", "synth", "--config", str(path), "train=2", f"out={tmp_path}") == 130
    assert (seen[0].train, seen[0].seed, seen[0].out) == (2, 5, str(tmp_path))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("trian=3",), "did you mean train?"),
        (("train=many",), "train"),
        (("train",), "wanted key=value"),
        (("size=10",), "size=10; wanted at least 56"),
        (("photos=nowhere",), "no folder nowhere"),
        (("--config", "nowhere.yaml"), "no config file nowhere.yaml"),
    ],
)
def test_a_wrong_call_is_one_line_and_makes_nothing(
    words: tuple[str, ...],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "data", "synth", *words) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_help_shows_examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "data", "synth", "--help") == 0
    shown = capsys.readouterr().out
    assert "loupe data synth --config configs/pocket/data.yaml" in shown
    assert run(monkeypatch, "data", "--help") == 0
    assert "synth" in capsys.readouterr().out


def test_an_interrupt_is_answered_at_once_without_a_traceback_and_the_run_goes_on_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    # So much work that it cannot be over before the interrupt arrives.
    words = [f"out={tmp_path / 'made'}", "train=300", "val=1", "test=1", "versions=2", "size=56", "workers=2"]
    # A suite that a shell started in the background ignores Ctrl-C, and so would what it starts.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from loupe.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "data", "synth", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    progress = tmp_path / "made" / "progress.jsonl"
    while not (progress.exists() and progress.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    # Ctrl-C on a terminal reaches the workers as well.
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert 0 < len(read_jsonl(progress)) < 302
    assert run(monkeypatch, "data", "synth", *words) == 0
    assert len(read_jsonl(progress)) == 302
