"""Format reward: all or nothing, by the layout of each dialect."""

import pytest

from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError
from loupe.rewards.format import format_reward

ASKS = ["rating", "distortion_class", "severity"]
COMPLETE = render(answer_of("soft", rating=3.0, distortion_class="blur", severity="slight"))


def test_a_complete_answer_earns_one() -> None:
    assert format_reward(COMPLETE) == 1.0
    assert format_reward(COMPLETE, asks=ASKS) == 1.0


def test_null_is_an_answer_for_class_and_severity() -> None:
    assert format_reward(render(answer_of(rating=5.0, distortion_class=None, severity=None)), asks=ASKS) == 1.0


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
        '<think>a</think><answer>{"rating": 3, "distortion_class": null, "severity": null</answer>',
    ],
    ids=["empty", "no tags", "missing keys", "null rating", "off scale", "trailing text", "no thinking", "no brace"],
)
def test_whatever_is_not_as_asked_earns_nothing(text: str) -> None:
    assert format_reward(text, asks=ASKS) == 0.0


def test_keys_beyond_those_asked_for_are_allowed() -> None:
    assert format_reward(COMPLETE, asks=["rating"]) == 1.0


def test_the_reference_layouts_are_paid_without_their_content() -> None:
    assert format_reward("<think>a</think><answer>good</answer>", dialect="visualquality-r1", asks=["rating"]) == 1.0
    assert format_reward("<think>\na\n</think>\n<answer>\n{}\n</answer>", dialect="q-insight", asks=["rating"]) == 1.0
    assert format_reward("<think>\na\n</think>\n<answer>\nImage A\n</answer>", dialect="q-insight") == 1.0


def test_the_task_decides_about_the_layout_of_q_insight() -> None:
    def lines(body: str) -> str:
        return f"<think>\na\n</think>\n<answer>\n{body}\n</answer>"

    for body in ("Similar", "Neither", "The left one"):
        assert format_reward(lines(body), dialect="q-insight", asks=["rating"]) == 0.0
        assert format_reward(lines(body), dialect="q-insight", asks=["choice"]) == 1.0


def test_the_layout_of_zoom_iqa_wants_a_readable_answer() -> None:
    whole = '<think>a</think><answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3, "tool": "final"}</answer>'
    assert format_reward(whole, dialect="zoom-iqa") == 1.0
    assert format_reward(whole.replace("3", "NaN"), dialect="zoom-iqa") == 0.0


def test_a_dialect_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="klingon"):
        format_reward("", dialect="klingon")
