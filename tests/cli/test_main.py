import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from loupe.cli import main as command_line
from loupe.core.errors import ConfigError

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `loupe` with these words in this process; gives the exit code."""

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["loupe", *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return int(ended.value.code or 0)

    return call


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Puts something in the place of the verb `demo`."""

    def put(made: object) -> None:
        monkeypatch.setitem(sys.modules, "loupe.cli.demo", types.SimpleNamespace(demo=made))  # type: ignore[arg-type]

    return put


def test_help_names_every_verb_and_imports_nothing_heavy():
    heavy = {"torch", "transformers", "cv2", "matplotlib", "numpy", "PIL", "trl", "omegaconf"}
    code = (
        "import sys, loupe.cli.main as m; sys.argv = ['loupe', '--help']\n"
        "try: m.main()\n"
        f"except SystemExit as e: print('LOADED', sorted(set(sys.modules) & {heavy}), e.code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in command_line.VERBS:
        assert f" {name} " in done.stdout
    assert done.stdout.rstrip().endswith("LOADED [] 0")


def test_the_help_of_a_verb_has_examples(run: Run, capsys: pytest.CaptureFixture[str]):
    for name in ("evaluate", "report", "assess"):
        assert run(name, "--help") == 0
        assert f"loupe {name} " in capsys.readouterr().out.partition("Examples:")[2]


def test_version_is_printed(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("loupe")


def test_a_known_error_is_one_line_on_stderr_and_exit_code_2(run: Run, verb, capsys: pytest.CaptureFixture[str]):
    def fails() -> None:
        raise ConfigError("got\nthis;  wanted that")

    verb(fails)
    assert run("demo") == 2
    assert capsys.readouterr().err == "loupe: error: got this; wanted that\n"


def test_errors_inside_a_group_of_commands_are_one_line_too(run: Run, verb, capsys: pytest.CaptureFixture[str]):
    group = typer.Typer()

    @group.command()
    def first() -> None:
        raise ConfigError("no")

    @group.command()
    def second() -> None:
        raise KeyboardInterrupt

    verb(group)
    assert run("demo", "first") == 2
    assert capsys.readouterr().err == "loupe: error: no\n"
    assert run("demo", "second") == 130


def test_an_interrupt_ends_with_130(run: Run, verb):
    def interrupted() -> None:
        raise KeyboardInterrupt

    verb(interrupted)
    assert run("demo") == 130


def test_a_defect_keeps_its_traceback(run: Run, verb, monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise ZeroDivisionError

    verb(broken)
    monkeypatch.setattr(sys, "argv", ["loupe", "demo"])
    with pytest.raises(ZeroDivisionError):
        command_line.main()


def test_a_wrong_word_is_exit_code_2(run: Run):
    assert run("asses") == 2
    assert run("assess", "--colour") == 2
    assert run("assess") == 2


def test_as_a_module_it_is_the_same_command_for_launchers_that_take_modules():
    done = subprocess.run([sys.executable, "-m", "loupe.cli.main", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("loupe")


def test_a_file_that_the_system_refuses_is_one_line_and_exit_code_2(
    run: Run, verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    verb(lambda: (tmp_path / "gone" / "file.txt").write_text(""))
    assert run("demo") == 2
    assert capsys.readouterr().err.splitlines() == [
        f"loupe: error: {tmp_path / 'gone' / 'file.txt'}: No such file or directory; give another path or make room"
    ]


def test_letters_that_a_terminal_lacks_become_question_marks():
    code = "import sys, loupe.cli.main as m; sys.argv = ['loupe', 'assess', '/grün.png', '--model', '/grün']; m.main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "gr?n" in done.stderr
    assert "Traceback" not in done.stderr
