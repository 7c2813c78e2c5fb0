import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench import assess as judging
from loupe.bench.agent import Agents
from loupe.bench.ranking import rank as ranking
from loupe.cli.main import main
from loupe.core.answer import answer_of, render
from loupe.core.policy import Conversation
from loupe.zoom.scripted import ScriptedPolicy

Run = Callable[..., int]


def says(talk: Conversation) -> str:
    """The brighter picture is better; a single one is rated by its brightness."""
    shown = [int(np.asarray(image)[0, 0, 0]) for image in talk.user_turns[0].images]
    if len(shown) == 1:
        return render(answer_of("", rating=round(1 + shown[0] / 64, 1), tool="final"))
    return f"<think>\nI look.\n</think>\n<answer>\n{'Image A' if shown[0] > shown[1] else 'Image B'}\n</answer>"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `loupe rank` with an agent that likes what is bright; gives the exit code."""
    agents = Agents(ScriptedPolicy(says), ScriptedPolicy(says))
    for module in (judging, ranking):
        monkeypatch.setattr(module, "load_agents", lambda config, protocol: agents)
    monkeypatch.setattr(ranking, "model_folder", lambda name: Path(name))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["loupe", "rank", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for value in (40, 200, 120):
        Image.new("RGB", (24, 16), (value,) * 3).save(made / f"[b]{value}.png")
    return made


def test_a_folder_is_ranked_by_ratings_and_the_pocket_agent_says_what_it_is(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(folder) == 0
    shown = capsys.readouterr()
    rows = [line for line in shown.out.splitlines() if ".png" in line]
    assert ["[b]200.png" in rows[0], "[b]120.png" in rows[1], "[b]40.png" in rows[2]] == [True] * 3
    assert "4.10" in rows[0] and "4.10 to 4.10" in rows[0]
    assert "no judge of real photographs" in shown.err


def test_comparisons_of_another_model_give_one_json_object(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(judging, "model_folder", lambda name: Path(name))
    assert run(folder, "--by", "comparisons", "-m", "mine", "--json", "-o", tmp_path / "order.json", "--draws", 50) == 0
    made = json.loads(capsys.readouterr().out)
    assert [Path(item["image"]).name for item in made["pictures"]] == ["[b]200.png", "[b]120.png", "[b]40.png"]
    assert made["counts"]["comparisons"] == 6
    assert json.loads((tmp_path / "order.json").read_text()) == made


def test_the_pocket_agent_says_in_one_line_that_it_cannot_compare(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(folder, "--by", "comparisons") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pocket-agent learnt to rate one picture at a time" in line and "--by ratings" in line


def test_a_bad_picture_is_named_and_the_others_are_ranked(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "bad.jpg").write_bytes(b"")
    assert run(folder, "--report", tmp_path / "page.html", "--by", "rated-pairs", "--draws", 40) == 1
    shown = capsys.readouterr()
    assert f"{folder / 'bad.jpg'}: is empty" in shown.err
    assert "[b]40.png" in shown.out
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img ") == 3 and "is empty" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "votes"], "by: got 'votes'; wanted one of ratings, comparisons, rated-pairs"),
        (["--by", "comparisons", "-m", "mine", "--pairs", "1"], "pairs: got 1 for 3 pictures; at least 2"),
        (["--pairs", "5"], "pairs is for comparisons"),
        (["--by", "comparisons", "-m", "mine", "--reference", "gone.png"], "gone.png: no such file"),
        (["--protocol", "degradation"], "needs a rating"),
    ],
)
def test_wrong_calls_are_one_line_and_exit_code_2(
    run: Run, folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert run(folder, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_one_file_for_ranking_and_page_is_refused(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(folder, "--output", folder / "x.html", "--report", folder / "." / "x.html") == 2
    assert "wanted two files" in capsys.readouterr().err


def test_an_empty_folder_is_exit_code_2(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path) == 2
    assert "no picture files" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_a_picture_is_never_written_over(run: Run, folder: Path, option: str):
    picture = folder / "[b]40.png"
    before = picture.read_bytes()
    assert run(folder, option, picture) == 2
    assert picture.read_bytes() == before


def test_help_has_examples_and_names_the_ways(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert "loupe rank restorations/" in shown.partition("Examples:")[2]
    assert "rated-pairs" in shown
