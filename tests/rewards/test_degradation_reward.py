"""Degradation reward: the table of the paper, clean images, and credit for a level that is near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import DataError
from loupe.core.records import CHOICES, DISTORTION_CLASSES, SEVERITIES
from loupe.rewards.comparison import comparison_reward
from loupe.rewards.degradation import degradation_reward

CLASSES = st.sampled_from((None, *DISTORTION_CLASSES))
LEVELS = st.sampled_from((None, *SEVERITIES))


@pytest.mark.parametrize(
    ("said", "truth", "earned"),
    [
        (("noise", "obvious"), ("noise", "obvious"), 1.0),
        (("noise", "slight"), ("noise", "obvious"), 0.25),
        (("noise", None), ("noise", "obvious"), 0.25),
        (("noise", "null"), ("noise", "slight"), 0.25),
        (("blur", "obvious"), ("noise", "obvious"), 0.0),
        (("Noise", "obvious"), ("noise", "obvious"), 0.0),
        (("null", "null"), ("null", "null"), 1.0),
        ((None, None), ("null", "null"), 0.0),
        (("null", "null"), (None, None), 0.0),
        ((None, None), (None, None), 1.0),
        ((None, "slight"), (None, None), 0.25),
        (("noise", "obvious"), (None, None), 0.0),
    ],
)
def test_the_class_pays_first_and_the_level_only_with_it(
    said: tuple[str | None, str | None], truth: tuple[str | None, str | None], earned: float
) -> None:
    assert degradation_reward(*said, *truth) == earned


@pytest.mark.parametrize(
    ("level", "earned"), [("slight", 0.625), ("moderate", 0.8125), ("obvious", 1.0), ("catastrophic", 0.625)]
)
def test_a_level_that_is_near_earns_a_part_where_that_is_switched_on(level: str, earned: float) -> None:
    assert degradation_reward("noise", level, "noise", "obvious", partial_level=True) == earned


@pytest.mark.parametrize("level", [None, "huge"])
def test_between_a_level_and_none_there_is_no_distance(level: str | None) -> None:
    assert degradation_reward("noise", level, "noise", "slight", partial_level=True) == 0.25


def test_the_weights_are_those_that_were_given() -> None:
    assert degradation_reward("noise", "slight", "noise", "slight", class_weight=2.0, level_weight=3.0) == 5.0
    assert degradation_reward("noise", None, "noise", "slight", class_weight=2.0, level_weight=3.0) == 2.0


@given(CLASSES, LEVELS)
def test_the_truth_always_earns_everything(kind: str | None, level: str | None) -> None:
    assert degradation_reward(kind, level, kind, level) == 1.0


@given(CLASSES, LEVELS, CLASSES, LEVELS)
def test_there_are_three_rewards_and_credit_never_takes_any(
    kind: str | None, level: str | None, true_kind: str | None, true_level: str | None
) -> None:
    strict = degradation_reward(kind, level, true_kind, true_level)
    assert strict in (0.0, 0.25, 1.0)
    assert strict <= degradation_reward(kind, level, true_kind, true_level, partial_level=True) <= 1.0


def test_of_two_levels_the_nearer_one_earns_more() -> None:
    earned = [degradation_reward("blur", level, "blur", "slight", partial_level=True) for level in SEVERITIES]
    assert earned == sorted(earned, reverse=True) and len(set(earned)) == 5


@pytest.mark.parametrize("choice", [None, "", "image a", '"Image A"', "Image A is better", "Image B", "Similar"])
def test_only_the_label_itself_is_the_right_choice(choice: str | None) -> None:
    assert comparison_reward("Image A", "Image A") == 1.0
    assert comparison_reward(choice, "Image A") == 0.0


def test_a_truth_that_is_no_choice_is_refused() -> None:
    assert [comparison_reward(choice, choice) for choice in CHOICES] == [1.0] * 3
    with pytest.raises(DataError, match="wanted one of Image A, Image B, Similar"):
        comparison_reward("Image A", "A")
