"""Score reward: hand-worked values of the three kinds, bounds, symmetry and monotonicity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import ConfigError
from loupe.rewards.score import KINDS, score_reward

RATING = st.floats(1.0, 5.0)
EVERY_KIND = pytest.mark.parametrize("kind", list(KINDS))


def test_the_threshold_is_strict() -> None:
    assert score_reward([3.0, 3.5, 2.5, 3.49], [3.0] * 4, epsilon=0.5).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_at_the_papers_threshold_rounding_decides_as_in_its_code() -> None:
    assert score_reward([3.42, 3.84, 3.85, 4.35], [3.5, 3.5, 3.5, 4.0]).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_without_strictness_an_error_of_exactly_epsilon_is_paid() -> None:
    assert score_reward([3.0, 3.5, 3.51], 3.0, epsilon=0.5, strict=False).tolist() == [1.0, 1.0, 0.0]
    assert score_reward(3.0, 3.0, epsilon=0.0) == 0.0
    assert score_reward(3.0, 3.0, epsilon=0.0, strict=False) == 1.0


def test_a_single_rating_earns_a_single_number() -> None:
    assert isinstance(score_reward(3.4, 3.5), float)
    assert score_reward(5.20, 4.9) == 1.0


def test_linear_falls_in_a_straight_line_over_the_whole_scale() -> None:
    rewards = score_reward([3.0, 3.5, 2.0, 5.0, 9.0], [3.0] * 5, kind="linear")
    assert rewards.tolist() == [1.0, 0.875, 0.75, 0.5, 0.0]
    assert score_reward(1.0, 5.0, kind="linear") == 0.0


def test_gaussian_is_one_half_at_the_threshold_and_a_sixteenth_at_twice_of_it() -> None:
    rewards = score_reward([3.0, 3.5, 4.0], [3.0] * 3, kind="gaussian", epsilon=0.5)
    assert rewards.tolist() == [1.0, 0.5, 0.0625]


@EVERY_KIND
def test_no_rating_earns_nothing(kind: str) -> None:
    assert score_reward([math.nan, 3.0], [3.0, math.nan], kind=kind).tolist() == [0.0, 0.0]
    assert score_reward(None, 3.0, kind=kind) == 0.0


@EVERY_KIND
@given(rating=RATING, target=RATING, epsilon=st.floats(0.01, 4.0))
def test_every_reward_lies_between_zero_and_one_and_is_symmetric(
    kind: str, rating: float, target: float, epsilon: float
) -> None:
    there, back = score_reward([rating, target], [target, rating], kind=kind, epsilon=epsilon)
    assert there == back
    assert 0.0 <= there <= 1.0


@EVERY_KIND
@given(target=RATING, ratings=st.lists(RATING, min_size=2, max_size=8))
def test_a_nearer_rating_never_earns_less(kind: str, target: float, ratings: list[float]) -> None:
    by_distance = sorted(ratings, key=lambda rating: abs(rating - target))
    rewards = score_reward(by_distance, [target] * len(by_distance), kind=kind)
    assert np.all(np.diff(rewards) <= 0.0)


@EVERY_KIND
def test_a_right_rating_earns_one(kind: str) -> None:
    assert score_reward([2.37], [2.37], kind=kind).tolist() == [1.0]


def test_settings_and_kinds_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="wanted one of threshold, linear, gaussian"):
        score_reward(3.0, 3.0, kind="step")
    for kind, epsilon in (("threshold", -0.1), ("gaussian", 0.0), ("threshold", math.nan)):
        with pytest.raises(ConfigError, match="positive"):
            score_reward(3.0, 3.0, kind=kind, epsilon=epsilon)
