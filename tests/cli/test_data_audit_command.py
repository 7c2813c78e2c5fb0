import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.cli.main import main
from loupe.core.files import read_json, write_jsonl
from loupe.core.records import Sample


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", "data", "audit", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def make(folder: Path, *, split: str = "train", mos: tuple[float, ...] = (1.0, 2.0, 3.0)) -> Path:
    """Three images that have nothing in common, the first and the last of them with equal bytes."""
    folder.mkdir(exist_ok=True)
    for number in range(3):
        cells = np.random.default_rng(number % 2).integers(0, 256, (7, 7, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((96, 80), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    rows = [Sample(str(n), f"{n}.png", "made", "train", value, value) for n, value in enumerate(mos)]
    last = rows.pop()
    rest = [Sample(**{**last.to_json(), "split": split, "degradation": None})]
    if split == "train":
        rows, rest = [*rows, *rest], []
    else:
        write_jsonl(folder / f"{split}.jsonl", (row.to_json() for row in rest))
    write_jsonl(folder / "train.jsonl", (row.to_json() for row in rows))
    return folder


def test_a_warning_is_no_failure_unless_strict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = make(tmp_path / "data")
    assert run(monkeypatch, str(folder), "workers=1") == 0
    shown = capsys.readouterr()
    assert "exact duplicates" in shown.out
    assert "to do: keep one image" in " ".join(shown.out.split())
    assert "audit.html" in shown.err
    assert run(monkeypatch, str(folder), "--strict", "workers=1") == 1
    assert read_json(folder / "audit" / "audit.json")["status"] == "warn"


def test_a_failure_is_exit_code_1_and_the_page_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    folder = make(tmp_path / "data", split="test")
    assert run(monkeypatch, str(folder), f"out={tmp_path / 'out'}", "workers=1") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"audit.json", "audit.html", "cache.jsonl"}
    assert not (folder / "audit").exists()


def test_a_folder_without_fault_is_exit_code_0_also_when_strict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    folder = make(tmp_path / "data")
    rows = [Sample(str(n), f"{n}.png", "made", "train", 2.0 + n, 2.0 + n) for n in range(2)]
    write_jsonl(folder / "train.jsonl", (row.to_json() for row in rows))
    assert run(monkeypatch, str(folder), "--strict", "workers=1") == 0


def test_a_name_with_an_equals_sign_is_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert run(monkeypatch, str(make(tmp_path / "a=b ${c}")), "workers=1") == 0


def test_the_folder_may_be_given_as_the_other_verbs_take_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert run(monkeypatch, f"data={make(tmp_path / 'made')}", "workers=1") == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nowhere",), "no folder nowhere; give a data folder"),
        (("empty",), "holds none of train.jsonl"),
        (("empty", "distanse=4"), "did you mean distance?"),
        (("empty", "distance=40"), "wanted 0 to 16"),
        (("empty", "--config", "nowhere.yaml"), "no config file nowhere.yaml"),
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
    (tmp_path / "empty").mkdir()
    assert run(monkeypatch, *words) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "empty").iterdir())


def test_the_help_shows_examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert run(monkeypatch, "--help") == 0
    assert "loupe data audit data/koniq-10k" in capsys.readouterr().out
