"""Score reward: hand-worked values of the three shapes, bounds, symmetry and monotonicity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.rewards.score import SHAPES, score_reward

RATING = st.floats(1.0, 5.0)
EVERY_SHAPE = pytest.mark.parametrize("shape", list(SHAPES))


def test_the_threshold_is_strict() -> None:
    assert score_reward([3.0, 3.5, 2.5, 3.49], [3.0] * 4, threshold=0.5).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_at_the_papers_threshold_rounding_decides_as_in_its_code() -> None:
    assert score_reward([3.42, 3.84, 3.85, 4.35], [3.5, 3.5, 3.5, 4.0]).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_linear_falls_in_a_straight_line_to_zero_at_twice_the_threshold() -> None:
    rewards = score_reward([3.0, 3.25, 3.5, 4.0, 5.0], [3.0] * 5, shape="linear", threshold=0.5)
    assert rewards.tolist() == [1.0, 0.75, 0.5, 0.0, 0.0]


def test_gaussian_is_one_half_at_the_threshold_and_a_sixteenth_at_twice_of_it() -> None:
    rewards = score_reward([3.0, 3.5, 4.0], [3.0] * 3, shape="gaussian", threshold=0.5)
    assert rewards.tolist() == [1.0, 0.5, 0.0625]


@EVERY_SHAPE
def test_no_rating_earns_nothing(shape: str) -> None:
    assert score_reward([math.nan, 3.0], [3.0, math.nan], shape=shape).tolist() == [0.0, 0.0]


@EVERY_SHAPE
@given(rating=RATING, target=RATING, threshold=st.floats(0.01, 4.0))
def test_every_reward_lies_between_zero_and_one_and_is_symmetric(
    shape: str, rating: float, target: float, threshold: float
) -> None:
    there, back = score_reward([rating, target], [target, rating], shape=shape, threshold=threshold)
    assert there == back
    assert 0.0 <= there <= 1.0


@EVERY_SHAPE
@given(target=RATING, ratings=st.lists(RATING, min_size=2, max_size=8))
def test_a_nearer_rating_never_earns_less(shape: str, target: float, ratings: list[float]) -> None:
    by_distance = sorted(ratings, key=lambda rating: abs(rating - target))
    rewards = score_reward(by_distance, [target] * len(by_distance), shape=shape)
    assert np.all(np.diff(rewards) <= 0.0)


@EVERY_SHAPE
def test_a_right_rating_earns_one(shape: str) -> None:
    assert score_reward([2.37], [2.37], shape=shape).tolist() == [1.0]


def test_settings_and_shapes_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="wanted one of threshold, linear, gaussian"):
        score_reward([3.0], [3.0], shape="step")
    with pytest.raises(ConfigError, match="positive"):
        score_reward([3.0], [3.0], threshold=0.0)
    with pytest.raises(DataError, match=r"targets of shape \(1,\); wanted \(2,\)"):
        score_reward([3.0, 2.0], [3.0])
