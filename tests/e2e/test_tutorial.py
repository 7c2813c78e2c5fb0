"""The tutorial works as it is written: its commands are taken from the page and run one after the other."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loupe.core.files import read_json, read_jsonl
from loupe.data.sample_photos import copy_sample_photos

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def commands() -> list[str]:
    """Lines of the page's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.slow
def test_every_command_of_the_tutorial_runs_and_leaves_what_the_page_says(tmp_path: Path) -> None:
    copy_sample_photos(tmp_path / "photos")
    lines = commands()
    assert len(lines) == 8 and all(line.startswith("loupe ") for line in lines)
    for line in lines:
        words = [sys.executable, "-m", "loupe.cli.main", *shlex.split(line)[1:]]
        done = subprocess.run(
            words,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, "COLUMNS": "120"},
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    made = tmp_path / "data/mine-rationales"
    kept, held_out = (len(read_jsonl(made / "rationales" / f"{split}.jsonl")) for split in ("train", "val"))
    assert kept > 50 and held_out > 10
    assert read_json(made / "manifest.json")["counts"]["kept"] == kept + held_out
    summary = read_json(tmp_path / "runs/mine/eval/summary.json")
    assert summary["looks"]["decided"]["all"]["n"] == 64
    for page in ("data/mine-rationales/rationales.html", "runs/mine/report/report.html", "runs/mine/photos.html"):
        assert (tmp_path / page).stat().st_size > 10_000, page


def test_the_tutorial_names_no_page_that_is_not_there() -> None:
    for name in re.findall(r"\]\(([^)]+\.md)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / name).is_file(), name
