"""`loupe data export` as a user meets it: the commands of its page, wrong calls, and exit codes."""

import json
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loupe.cli.main import main
from loupe.core.files import read_jsonl, write_jsonl
from loupe.data.store import load_samples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "interchange.md"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three test images, made by hand."""
    rows = [
        {"id": f"a{number}", "image": f"images/{number}.png", "dataset": "a", "split": "test", "rating": 1.0 + number}
        for number in range(3)
    ]
    write_jsonl(tmp_path / "made" / "test.jsonl", [row | {"mos": row["rating"], "mos_std": 0.5} for row in rows])
    return tmp_path / "made"


def test_the_commands_of_the_page_run_and_the_last_one_reads_what_was_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "data_recipes", tmp_path / "data_recipes")
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = block.splitlines()
    assert len(lines) == 7
    for line in lines:
        assert run(monkeypatch, *shlex.split(line)[1:]) == 0, line
    assert len(json.loads(Path("test_small.json").read_text())) == 4
    assert len(read_jsonl("train_small.jsonl")) == 6
    for split, count in (("train", 6), ("val", 2), ("test", 4)):
        made, again = load_samples(Path("data/small"), split), load_samples(Path("data/again"), split)
        assert len(made) == count
        assert [item.rating for item in again] == pytest.approx([item.rating for item in made])


def test_the_page_names_every_format() -> None:
    from loupe.data.export.formats import COMPARISON, FORMATS

    words = set(re.findall(r"`([a-z0-9-]+)`", PAGE.read_text(encoding="utf-8")))
    assert words >= {*FORMATS, COMPARISON}
    assert {path.stem for path in (ROOT / "data_recipes").glob("*.yaml")} >= {"deqa", "csv", "pyiqa", "diffiqa"}


def test_what_was_written_is_said_with_its_scale(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder.parent / "out" / "list.txt"
    words = ("data", "export", str(folder), "--format", "visualquality-r1-txt", "--output", str(target))
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr()
    assert (shown.out, "3 rows" in shown.err, "opinions on 1..5, higher is better" in shown.err) == ("", True, True)
    assert target.read_text().splitlines()[0] == "images/0.png 1.0 0.5"


def test_images_that_are_left_out_are_counted_and_end_with_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *samples = load_samples(folder, "test")
    nobody = replace(first, rating=float("nan"), mos=float("nan"))
    write_jsonl(folder / "test.jsonl", [sample.to_json() for sample in (nobody, *samples)])
    words = ("data", "export", str(folder), "-f", "deqa", "-o", str(folder.parent / "x.json"))
    assert run(monkeypatch, *words) == 2
    assert "cannot hold 1 of 3 images, such as a0: nobody rated it" in capsys.readouterr().err
    assert run(monkeypatch, *words, "--leave-out") == 1
    assert "1 left out: nobody rated it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--format", "deqq"), "got the format 'deqq'; wanted one of deqa"),
        (("--format", "csv", "--split", "tset"), "no split 'tset'"),
        (("--format", "csv", "--values", "stars"), "got values 'stars'; wanted raw or rating"),
        (("--format", "q-insight-comparison"), "loupe data pairs"),
        (("--format", "q-insight-distortion"), "nobody says what damage it has"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    complaint: str,
) -> None:
    target = folder.parent / "out.txt"
    assert run(monkeypatch, "data", "export", str(folder), *words, "--output", str(target)) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not target.exists()


def test_the_help_shows_examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "data", "export", "--help") == 0
    assert "--format deqa" in capsys.readouterr().out
