"""Format reward: all or nothing, and the grammar decides."""

import pytest

from loupe.core.answer import answer_of, parse
from loupe.rewards.format import format_reward

ASKS = ["rating", "distortion_class", "severity"]
COMPLETE = answer_of("soft", rating=3.0, distortion_class="blur", severity="slight")


def test_a_complete_answer_earns_one() -> None:
    assert format_reward([COMPLETE], ASKS).tolist() == [1.0]


def test_null_is_an_answer_for_class_and_severity() -> None:
    assert format_reward([answer_of(rating=5.0, distortion_class=None, severity=None)], ASKS).tolist() == [1.0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.0",
        '<think>a</think><answer>{"rating": 3.0}</answer>',
        '<think>a</think><answer>{"rating": null, "distortion_class": null, "severity": null}</answer>',
        '<think>a</think><answer>{"rating": 9, "distortion_class": null, "severity": null}</answer>',
        '<think>a</think><answer>{"rating": 3, "distortion_class": null, "severity": null}</answer> done',
        '<answer>{"rating": 3, "distortion_class": null, "severity": null}</answer>',
    ],
    ids=["empty", "no tags", "missing keys", "null rating", "rating off scale", "trailing text", "no thinking"],
)
def test_whatever_is_not_as_asked_earns_nothing(text: str) -> None:
    assert format_reward([parse(text)], ASKS).tolist() == [0.0]


def test_keys_beyond_those_asked_for_are_allowed() -> None:
    assert format_reward([COMPLETE], ["rating"]).tolist() == [1.0]


def test_each_answer_has_its_own_reward_and_none_has_none() -> None:
    assert format_reward([COMPLETE, parse(""), COMPLETE], ASKS).tolist() == [1.0, 0.0, 1.0]
    assert format_reward([], ASKS).shape == (0,)
