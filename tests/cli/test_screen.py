import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from loupe.cli import screen


def shown(table: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_recipe_table_has_a_row_an_evaluation_and_a_dash_for_what_was_not_measured():
    scores = {
        "expected": {"all": {"srcc": [0.912, 0.9, 0.923]}},
        "recognition": {"class_accuracy": [0.853, 0.84, 0.86]},
        "unusable_share": 0.002,
    }
    summary = {"looks": {"decided": {"all": scores, "hard": None}}}
    text = shown(screen.recipe_table({"after [SFT]": summary}))
    for words in ("after [SFT]", ".912 ", "[.900, .923]", "85.3 % · 0.2 %", "zoom as decided", "true region", "–"):
        assert words in text
    assert "fast" not in text
    assert ".912" not in shown(screen.recipe_table({"x": summary}, subset="hard"))
    read_off = {"looks": {"fast": {"all": {**scores, "expected": {"all": {"srcc": [0.8, 0.7, 0.9]}}}}}}
    both = shown(screen.recipe_table({"after": summary, "quick": read_off}))
    assert "fast, no reasoning" in both
    assert ".800 " in both


def test_quick_work_shows_no_bar_and_slow_work_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock: Iterator[float] = iter([0.0, 1.0, 3.0, 4.0])
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    started: list[bool] = []
    monkeypatch.setattr("rich.progress.Progress.start", lambda self: started.append(True))
    with screen.progress_bar("images") as step:
        step(1, 3)
        assert not started
        step(2, 3)
        assert started
        step(3, 3)
    assert capsys.readouterr().out == ""
