"""Records survive the way through a JSON file unchanged."""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.answer import Answer, answer_of, parse
from loupe.core.records import (
    SEVERITIES,
    WHOLE,
    Degradation,
    Episode,
    Learn,
    Rationale,
    RationaleTurn,
    Sample,
    StopReason,
    Turn,
    severity_word,
)

unit = st.floats(0, 1, allow_subnormal=False)
boxes = st.tuples(unit, unit, unit, unit)
degradations = st.builds(
    Degradation,
    distortion_class=st.none() | st.sampled_from(["blur", "noise"]),
    severity=st.integers(0, 5),
    bbox_2d=st.none() | boxes,
    variant=st.none() | st.text(max_size=5),
)
numbers = st.floats(-1e3, 1e3)
samples = st.builds(
    Sample,
    id=st.text(max_size=5),
    image=st.text(max_size=5),
    dataset=st.text(max_size=5),
    split=st.sampled_from(["train", "val", "test"]),
    rating=st.floats(1, 5),
    mos=numbers,
    mos_std=st.none() | numbers,
    degradation=st.none() | degradations,
    hard=st.none() | st.booleans(),
)
turns = st.builds(
    Turn,
    view=boxes,
    text=st.text(max_size=30),
    answer=st.sampled_from(
        [Answer(problem="nothing"), answer_of(rating=2.5, bbox_2d=(0.1, 0.2, 0.3, 0.4), tool="crop")]
    ),
    tokens=st.integers(0, 9),
    seconds=st.floats(0, 9),
    truncated=st.booleans(),
    expected_rating=st.none() | st.floats(1, 5),
)
episodes = st.builds(Episode, st.text(max_size=5), st.lists(turns, max_size=3).map(tuple), st.sampled_from(StopReason))
rationales = st.builds(
    Rationale,
    st.text(max_size=5),
    st.lists(st.builds(RationaleTurn, boxes, st.text(max_size=9), st.sampled_from(Learn)), max_size=3).map(tuple),
    st.booleans(),
)


@given(record=st.one_of(samples, episodes, rationales))
def test_a_record_comes_back_from_json_as_it_was(record: Sample | Episode | Rationale) -> None:
    again = type(record).from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert hash(again) == hash(record)


def a_sample() -> dict:
    return Sample("a", "a.png", "synth", "test", 3.0, 3.0, degradation=Degradation("blur", 2, WHOLE)).to_json()


def test_an_unknown_or_missing_key_of_a_sample_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Sample.from_json(a_sample() | {"colour": 1})
    row = a_sample()
    del row["mos"]
    with pytest.raises(TypeError, match="mos"):
        Sample.from_json(row)


def test_an_unknown_or_missing_key_of_a_degradation_is_refused() -> None:
    row = a_sample()
    del row["degradation"]["bbox_2d"]
    with pytest.raises(TypeError, match="bbox_2d"):
        Sample.from_json(row)


def test_reading_a_record_leaves_the_row_as_it_was() -> None:
    row = a_sample()
    row["degradation"]["bbox_2d"] = [0.0, 0.0, 0.5, 0.5]
    before = json.dumps(row)
    Sample.from_json(row)
    assert json.dumps(row) == before


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Degradation("blur", 1, None).severity = 2  # type: ignore[misc]


def test_severity_words_begin_at_one_and_clean_has_none() -> None:
    assert severity_word(0) is None
    assert [severity_word(level) for level in range(1, 6)] == list(SEVERITIES)


def test_damage_is_local_where_only_a_part_is_damaged() -> None:
    assert Degradation("blur", 1, (0.0, 0.0, 0.5, 1.0)).is_local
    assert not Degradation("blur", 1, WHOLE).is_local
    assert not Degradation(None, 0, None).is_local


def turn(text: str) -> Turn:
    return Turn(WHOLE, text, parse(text), 1, 0.0)


def test_the_verdict_is_the_last_turn_that_gave_a_rating() -> None:
    rated = turn('<think></think><answer>{"rating": 2}</answer>')
    later = turn('<think></think><answer>{"rating": 4}</answer>')
    silent = turn("I do not know")
    assert Episode("a", (rated, later, silent), StopReason.UNUSABLE).verdict == later
    assert Episode("a", (silent,), StopReason.UNUSABLE).verdict is None
    assert Episode("a", (), StopReason.UNUSABLE).verdict is None
    assert Episode("a", (rated, silent), StopReason.UNUSABLE).zoomed
    assert not Episode("a", (rated,), StopReason.FINAL).zoomed
