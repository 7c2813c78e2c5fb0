from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.bench.predictions import Prediction, append_predictions, read_predictions
from loupe.core.answer import parse
from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn

TEXT = '<think>é "quoted" \u2028</think><answer>{"rating": 2.5, "bbox_2d": [0, 0, 0.5, 0.5]}</answer>'


def test_predictions_come_back_as_they_were_written(tmp_path: Path, samples: Callable[[int], list[Sample]]):
    turns = (Turn(WHOLE, TEXT, parse(TEXT), tokens=3, seconds=0.5, expected_rating=2.4),)
    rows = [Prediction(item, "decided", Episode(item.id, turns, StopReason.FINAL)) for item in samples(3)]
    append_predictions(tmp_path / "p.jsonl", rows[:2])
    append_predictions(tmp_path / "p.jsonl", rows[2:])
    assert read_predictions(tmp_path / "p.jsonl") == rows


def test_a_row_of_another_form_is_named(tmp_path: Path):
    (tmp_path / "p.jsonl").write_text('{"sample": 3}\n')
    with pytest.raises(DataError, match=r"p\.jsonl, row 1 is no prediction"):
        read_predictions(tmp_path / "p.jsonl")


def test_images_of_one_reference_are_one_group(samples: Callable[[int], list[Sample]]):
    first, second, third = (Prediction(item, "decided", Episode(item.id, (), StopReason.FINAL)) for item in samples(3))
    assert first.group == second.group != third.group
