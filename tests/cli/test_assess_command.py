import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench import assess as bench
from loupe.cli.main import main
from loupe.core.answer import answer_of, render
from loupe.zoom.scripted import ScriptedPolicy

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `loupe assess` with an agent that finds slight blur in whatever it sees; gives the exit code."""
    text = render(answer_of("", distortion_class="blur", severity="slight", rating=3.5, tool="final"))
    agents = bench.Agents(ScriptedPolicy(lambda conversation: text), ScriptedPolicy(lambda conversation: text))
    monkeypatch.setattr(bench, "load_agents", lambda config, protocol: agents)

    def call(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["loupe", "assess", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "[bold]photo.png"
    Image.fromarray(np.full((32, 48, 3), 128, dtype=np.uint8)).save(path)
    return path


def test_the_verdict_is_a_table_and_the_pocket_agent_says_what_it_is(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "300")
    assert run(photo) == 0
    shown = capsys.readouterr()
    for words in ("[bold]photo.png", "3.50 ± .00", "blur", "slight", "the overview"):
        assert words in shown.out
    assert "no judge of real photographs" in shown.err


def test_json_goes_to_stdout_one_object_a_line_and_nothing_else(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(photo, photo.parent / "gone.jpg", "--json", "--seed", 3) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["rating"] for row in rows] == [3.5, None]
    assert rows[0]["seed"] == 3


def test_a_bad_picture_is_one_line_with_its_name_and_the_rest_goes_on(
    run: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    assert run(bad, photo, "--output", tmp_path / "out.jsonl") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "bad.jpg" in line]
    assert line.startswith(f"loupe: {bad}: is empty")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["rating"] for row in rows] == [None, 3.5]


def test_results_are_appended(run: Run, photo: Path, tmp_path: Path):
    for _ in range(2):
        assert run(photo, "-o", tmp_path / "deep" / "out.jsonl", "--no-zoom", "--samples", 2) == 0
    assert len((tmp_path / "deep" / "out.jsonl").read_text().splitlines()) == 2


def test_what_was_computed_survives_a_crash(run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = bench.assess

    def dies(*words: object, **named: object):
        yield next(made(*words, **named))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "assess", dies)
    assert run(photo, photo, "-o", tmp_path / "out.jsonl") == 130
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1


def test_a_page_is_written(run: Run, photo: Path, tmp_path: Path):
    assert run(photo, "--report", tmp_path / "page.html") == 0
    assert "[bold]photo.png" in (tmp_path / "page.html").read_text()


def test_a_folder_without_pictures_is_exit_code_2(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path) == 2
    assert "no picture files" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_a_picture_is_never_written_over(run: Run, photo: Path, option: str, capsys: pytest.CaptureFixture[str]):
    before = photo.read_bytes()
    assert run(photo, option, photo) == 2
    assert "one of the files to read" in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_judged(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bench, "load_agents", lambda config, protocol: pytest.fail("judged"))
    assert run(photo, "--report", photo.parent) == 2
    assert "is a folder" in capsys.readouterr().err


def test_control_codes_in_a_name_do_not_reach_the_terminal(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "300")
    good, bad = (photo.with_name(f"\x1b[2J\x1b]0;{name}\x07.png") for name in ("good", "bad"))
    good.write_bytes(photo.read_bytes())
    bad.write_text("no picture")
    assert run(good, bad) == 1
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert r"\x1b[2J\x1b]0;good\x07.png" in shown.out
    assert shown.err.count("bad") == 1


def test_a_seed_below_0_is_refused(run: Run, photo: Path, capsys: pytest.CaptureFixture[str]):
    assert run(photo, "--seed", -5) == 2
    assert "wanted 0 or more" in capsys.readouterr().err


def test_a_wrong_model_is_named_even_where_no_picture_opens(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["loupe", "assess", "gone.jpg", "--model", str(photo.parent / "nowhere")])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "nowhere" in capsys.readouterr().err
