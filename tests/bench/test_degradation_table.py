import math
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.bench.degradation_page import main_table, markdown, notes, paper_table, screen_table, write_pages
from loupe.bench.degradation_table import DegradationTable, degradation_table
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import recognition
from loupe.bench.summary import summarise
from loupe.core.answer import parse, plain
from loupe.core.errors import DataError
from loupe.core.files import read_json, write_json
from loupe.core.records import (
    DISTORTION_CLASSES,
    WHOLE,
    Degradation,
    Episode,
    Sample,
    StopReason,
    Turn,
    severity_word,
)

ASKS = ("distortion_class", "severity")
SIZES = {"noise": 226, "blur": 205, "compression": 222, "darken": 226, None: 121}
"""Images of each class in the test set of Q-Insight, as its figures give them away."""
JOINT = {"noise": (226, 135), "blur": (200, 91), "compression": (222, 123), "darken": (204, 73), None: (92, 0)}
"""Of those, how many the joint model named rightly, and how many with their level (published: 1, .9756, 1, .9027,
.7603; .5973, .4438, .5541, .3230)."""
ALONE = {"noise": (223, 0), "blur": (190, 0), "compression": (215, 0), "darken": (199, 0), None: (69, 0)}
"""The same of the model that learnt degradation alone (published: .9867, .9268, .9685, .8805, .5702)."""


def labelled(name: str, word: str | None, level: int, *, ref: str | None = None) -> Sample:
    """A sample that nobody rated."""
    damage = Degradation(word, level, WHOLE if level else None)
    nan = float("nan")
    return Sample(name, f"{name}.png", "d", "test", nan, nan, ref_id=ref, degradation=damage)


def diagnosed(sample: Sample, text: str) -> Prediction:
    """What came of an answer in the dialect of Q-Insight."""
    turn = Turn(WHOLE, text, plain(parse(text, dialect="q-insight")), tokens=1, seconds=0.0)
    return Prediction(sample, "decided", Episode(sample.id, (turn,), StopReason.FINAL))


def diagnosis(word: str | None, level: int) -> str:
    """The text of a diagnosis."""
    severity = severity_word(level) or "null"
    body = f'{{"distortion_class": "{word or "null"}", "severity": "{severity}"}}'
    return f"<think>\nso\n</think>\n<answer>\n{body}\n</answer>"


def told(true: tuple[str | None, int], said: tuple[str | None, int] | None, number: int = 0) -> Prediction:
    """One image, what is true of it and what was said; None for an answer that nobody can use."""
    return diagnosed(labelled(f"s{number:04d}", *true), "hm" if said is None else diagnosis(*said))


def published(rights: dict[str | None, tuple[int, int]]) -> list[Prediction]:
    """Predictions with as many right answers as the paper's: level 3 is true of all, level 1 is the wrong answer."""
    made: list[Prediction] = []
    for word, size in SIZES.items():
        true = (word, 3 if word else 0)
        wrong = ("blur" if word != "blur" else "noise", 1)
        classes, levels = rights[word]
        said = [true if n < levels else (word, 1 if word else 0) if n < classes else wrong for n in range(size)]
        made += [told(true, answer, len(made) + n) for n, answer in enumerate(said)]
    return made


def table_of(predictions: list[Prediction], **options: int) -> DegradationTable:
    found = degradation_table(predictions, asks=ASKS, **{"n_boot": 0, **options})
    assert found is not None
    return found


def as_json(table: DegradationTable, tmp_path: Path) -> dict[str, object]:
    write_json(tmp_path / "t.json", {"looks": {"decided": {"degradation": asdict(table)}}})
    found = main_table(read_json(tmp_path / "t.json"))
    assert found is not None
    return found


def test_the_published_row_comes_out_of_the_published_class_sizes():
    found = table_of(published(JOINT))
    assert {name: row.n for name, row in found.classes.items()} == {
        "noise": 226, "blur": 205, "compression": 222, "darken": 226, "clean": 121
    }  # fmt: skip
    deg = {name: row.class_accuracy.value for name, row in found.classes.items()}
    assert deg == pytest.approx(
        {"noise": 1, "blur": 0.9756, "compression": 1, "darken": 0.9027, "clean": 0.7603}, abs=5e-5
    )
    assert found.class_accuracy.macro.value == pytest.approx(0.9277, abs=5e-5)
    assert found.class_accuracy.micro.value == pytest.approx(0.944)
    lev = {name: row.severity_accuracy.value for name, row in found.classes.items() if name != "clean"}
    # The paper prints .5973, .4438, .5541 and .3230: 91 of 205 is .4439.
    assert lev == pytest.approx({"noise": 0.5973, "blur": 0.4438, "compression": 0.5541, "darken": 0.3230}, abs=2e-4)
    assert found.severity_accuracy.macro.value == pytest.approx(0.4796, abs=1e-4)


def test_the_average_of_degradation_alone_is_micro_in_the_paper():
    found = table_of(published(ALONE))
    assert found.class_accuracy.micro.value == pytest.approx(0.896)
    # The mean of the five printed figures, each of which is rounded.
    assert found.class_accuracy.macro.value == pytest.approx(0.86654, abs=5e-5)


def test_averages_are_those_worked_by_hand():
    found = table_of(
        [
            told(("blur", 2), ("blur", 2), 0),
            told(("blur", 2), ("blur", 3), 1),
            told(("blur", 4), ("noise", 4), 2),
            told(("blur", 4), None, 3),
            told(("noise", 1), ("noise", 1), 4),
            told((None, 0), (None, 0), 5),
        ]
    )
    # Classes: blur 2 of 4, noise 1 of 1, clean 1 of 1. With the level: 1 of 4, 1 of 1, 1 of 1.
    assert found.class_accuracy.macro.value == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.class_accuracy.micro.value == pytest.approx(4 / 6)
    assert found.severity_accuracy.macro.value == pytest.approx((0.25 + 1) / 2)
    assert found.severity_accuracy.micro.value == pytest.approx(2 / 5)
    assert found.severity_accuracy_with_clean.macro.value == pytest.approx((0.25 + 1 + 1) / 3)
    assert found.severity_accuracy_with_clean.micro.value == pytest.approx(3 / 6)
    assert (found.n, found.unusable) == (6, 1)
    blur = found.class_confusion["blur"]
    assert {word: count for word, count in blur.items() if count} == {"blur": 2, "noise": 1, "unusable": 1}
    severe = found.severity_confusion["serious"]
    assert {word: count for word, count in severe.items() if count} == {"serious": 1, "unusable": 1}


def test_level_accuracy_is_over_all_images_of_a_class_and_not_those_with_the_right_class():
    found = table_of([told(("blur", 2), ("blur", 2), 0), *(told(("blur", 2), ("noise", 2), n) for n in (1, 2, 3))])
    assert found.classes["blur"].severity_accuracy.value == pytest.approx(1 / 4)


def test_a_class_beyond_the_six_has_a_row_of_its_own_and_can_be_right():
    found = table_of([told(("haze", 2), ("haze", 2), 0), told(("haze", 2), ("blur", 2), 1), told(("blur", 2), None, 2)])
    assert list(found.classes) == ["blur", "haze"]
    assert found.classes["haze"].class_accuracy.value == pytest.approx(0.5)
    assert found.class_confusion["haze"]["blur"] == 1


def test_a_word_that_is_no_class_of_the_data_is_other():
    found = table_of([told(("blur", 2), ("haze", 2), 0)])
    assert found.class_confusion["blur"]["other"] == 1


def test_a_class_that_is_called_other_is_not_right_by_any_unknown_word():
    found = table_of([told(("other", 2), ("sludge", 2), 0), told(("unusable", 2), None, 1)])
    assert found.class_accuracy.micro.value == 0.0


def test_the_two_macro_means_of_class_accuracy_are_one():
    rows = [told(("other", 2), ("sludge", 2), 0), told(("blur", 2), ("blur", 2), 1), told(("blur", 1), None, 2)]
    assert recognition(rows, asks=ASKS).class_accuracy_macro == table_of(rows).class_accuracy.macro.value == 0.25


def test_an_agent_without_the_severity_question_has_no_level_figures():
    found = degradation_table([told(("blur", 2), ("blur", 2))], asks=("distortion_class",), n_boot=0)
    assert found is not None
    assert found.class_accuracy.micro.value == 1.0
    assert math.isnan(found.severity_accuracy.micro.value)
    assert math.isnan(found.classes["blur"].severity_accuracy.value)


def test_nothing_asked_or_nothing_labelled_is_no_table():
    assert degradation_table([told(("blur", 2), ("blur", 2))], asks=("rating",)) is None
    assert degradation_table([], asks=ASKS) is None


def test_a_severity_out_of_range_names_its_sample():
    with pytest.raises(DataError, match=r"'s7'.*severity 6.*wanted 0"):
        degradation_table([diagnosed(labelled("s7", "blur", 6), diagnosis("blur", 5))], asks=ASKS)


def test_intervals_take_whole_pristine_images():
    # Ten images of each of two pristine ones, right on all of one and on none of the other: a draw has 0, 10 or 20.
    rows = [
        diagnosed(labelled(f"{ref}{n}", "blur", 1, ref=ref), diagnosis("blur" if ref == "a" else "noise", 1))
        for ref in "ab"
        for n in range(10)
    ]
    grouped = table_of(rows, n_boot=400).class_accuracy.micro
    assert (grouped.value, grouped.low, grouped.high) == (0.5, 0.0, 1.0)
    alone = [diagnosed(labelled(item.sample.id, "blur", 1), item.episode.turns[0].text) for item in rows]
    single = table_of(alone, n_boot=400).class_accuracy.micro
    assert 0.2 < single.low < 0.35 and 0.65 < single.high < 0.8


WORDS = st.sampled_from([*DISTORTION_CLASSES, None])
ROW = st.tuples(WORDS, st.integers(1, 5), st.one_of(st.none(), st.tuples(WORDS, st.integers(1, 5))))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30))
def test_class_and_level_is_never_above_class_and_counts_add_up(rows: list[tuple]):
    def at(word: str | None, level: int) -> tuple[str | None, int]:
        return (word, level if word else 0)

    found = table_of([told(at(w, n), None if s is None else at(*s), i) for i, (w, n, s) in enumerate(rows)])
    for row in found.classes.values():
        assert 0.0 <= row.severity_accuracy.value <= row.class_accuracy.value <= 1.0
    assert sum(row.n for row in found.classes.values()) == found.n == len(rows)
    for counts in (found.class_confusion, found.severity_confusion):
        assert sum(sum(row.values()) for row in counts.values()) == len(rows)
    shares = [row.n * row.class_accuracy.value for row in found.classes.values()]
    assert found.class_accuracy.micro.value == pytest.approx(sum(shares) / len(rows))
    diagonal = sum(found.class_confusion[name][name] for name in found.classes)
    assert found.class_accuracy.micro.value == pytest.approx(diagonal / len(rows))


def test_the_published_layout_has_the_papers_columns(tmp_path: Path):
    table = as_json(table_of(published(JOINT)), tmp_path)
    paper = paper_table(table, name="joint")
    assert paper.head == (
        "method", "metric", "Noise", "Blur", "JPEG", "Darken", "Null", "average (macro)", "average (micro)"
    )  # fmt: skip
    assert paper.rows[0] == ("joint", "Deg.", "1.0000", ".9756", "1.0000", ".9027", ".7603", ".9277", ".9440")
    assert paper.rows[1][:7] == ("joint", "Lev.", ".5973", ".4439", ".5541", ".3230", "–")
    assert not any("other classes" in note for note in notes(table))
    assert markdown(paper).splitlines()[2].startswith("| joint | Deg. | 1.0000 | .9756 |")


def test_a_class_of_the_data_cannot_break_the_markdown(tmp_path: Path):
    table = as_json(table_of([told(("a|b\n| c", 2), ("blur", 2))]), tmp_path)
    assert len(markdown(paper_table(table, name="x")).splitlines()) == 4


def test_a_name_cannot_break_the_markdown_nor_the_page(tmp_path: Path):
    summary = summarise([told(("blur", 2), ("blur", 2))], asks=ASKS, protocol={
        "protocol": "p", "decoding": "greedy", "data": "d", "split": "test"
    }, n_boot=0)  # fmt: skip
    write_json(tmp_path / "summary.json", summary.to_json())
    made = write_pages(tmp_path, read_json(tmp_path / "summary.json"), name="a|<b>")
    assert made == ["degradation.html", "degradation.md"]
    assert "<b>" not in (tmp_path / "degradation.html").read_text()
    lines = (tmp_path / "degradation.md").read_text().splitlines()
    assert lines[0].count("|") == lines[2].count("|")


def test_the_screen_has_a_line_a_class_and_both_averages(tmp_path: Path):
    table = as_json(table_of([told(("blur", 2), ("blur", 2), 0), told((None, 0), None, 1)]), tmp_path)
    rows = screen_table(table).rows
    assert [row[0] for row in rows] == ["blur", "clean", "mean over classes (macro)", "all images (micro)"]
    assert rows[0][1:] == ("1", "1.000", "1.000")
    assert rows[3][1:] == ("2", ".500", "1.000")
    assert any("with them macro .500, micro .500" in note for note in notes(table))
