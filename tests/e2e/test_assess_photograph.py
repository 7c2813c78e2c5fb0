"""The command line on real photographs, with the agent that comes with the package, as a user's shell runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data


def loupe(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from loupe.cli.main import main; main()", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.jpg", quality=92)
    return folder


def test_a_photograph_gets_the_same_verdict_twice(photographs: Path) -> None:
    first, second = (loupe("assess", photographs / "astronaut.jpg", "--json", "--samples", "2") for _ in range(2))
    assert first.returncode == 0, first.stderr
    row, again = json.loads(first.stdout), json.loads(second.stdout)
    assert 1 <= row["rating"] <= 5
    assert (row["rating"], row["distortion_class"]) == (again["rating"], again["distortion_class"])


def test_a_bad_file_is_named_and_the_rest_is_judged(photographs: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((photographs / "coffee.jpg").read_bytes()[:2000])
    rows = tmp_path / "rows.jsonl"
    done = loupe("assess", broken, photographs, "--output", rows, "--samples", "1")
    assert done.returncode == 1
    assert "broken.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    judged = [json.loads(line) for line in rows.read_text().splitlines()]
    assert {Path(row["image"]).name for row in judged if row["rating"] is not None} == {"astronaut.jpg", "coffee.jpg"}
