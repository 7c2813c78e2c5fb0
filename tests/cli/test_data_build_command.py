"""`loupe data build` as a user meets it: what it says, where it says it, and its exit codes."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from loupe.cli.main import main

RECIPES = Path(__file__).parents[2] / "data_recipes"


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """Two rated images of AGIQA-3K's layout."""
    folder = tmp_path / "agiqa"
    folder.mkdir()
    head = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"
    rows = [f"{name}.jpg,a dog,,,,{mos},0.5,1,0.1" for name, mos in (("a", 4.0), ("b", 0.5))]
    (folder / "data.csv").write_text("\n".join([head, *rows]) + "\n")
    for name in ("a", "b"):
        Image.new("RGB", (16, 16)).save(folder / f"{name}.jpg")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", "data", "build", "-c", str(RECIPES / "agiqa-3k.yaml"), *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_whole_release_ends_with_0_and_says_what_its_opinions_are(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = ("expected.rows=2", "expected.mos=[0.5,4]", "expected.std=[0.5,0.5]")
    assert run(monkeypatch, "--root", str(download), "--out", str(tmp_path / "made"), *full) == 0
    said = capsys.readouterr()
    assert "test" in said.out
    assert "opinions 0.5 to 4, higher is better; 0 to 5 became 1 to 5" in said.err
    assert (tmp_path / "made" / "manifest.json").is_file()


def test_a_release_with_gaps_is_refused_with_2_in_one_line(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (download / "b.jpg").unlink()
    assert run(monkeypatch, "--root", str(download), "--out", str(tmp_path / "made")) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert "1 missing (b.jpg); 2 rows where the release has 2,982" in said
    assert not (tmp_path / "made" / "test.jsonl").exists()


def test_gaps_that_are_allowed_end_with_1(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (download / "b.jpg").unlink()
    assert run(monkeypatch, "--root", str(download), "--out", str(tmp_path / "made"), "--allow-missing") == 1
    assert "built with gaps: 1 missing (b.jpg)" in capsys.readouterr().err
    assert len((tmp_path / "made" / "test.jsonl").read_text().splitlines()) == 1


def test_a_root_that_is_not_there_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--root", str(tmp_path / "nowhere")) == 2
    assert "no folder" in capsys.readouterr().err
