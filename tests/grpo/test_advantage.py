"""A completion's advantage is its distance from its group, and a group that agrees with itself has none."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.grpo.advantage import group_advantages, live_groups, per_token

NAN = math.nan
REWARDS = st.lists(st.floats(-3, 3), min_size=4, max_size=4).filter(lambda group: max(group) - min(group) > 0.01)


def advantages(rewards: list[float], num_generations: int, **options: Any) -> list[float]:
    return group_advantages(torch.tensor(rewards, dtype=torch.float64), num_generations, **options).tolist()


def test_two_groups_worked_by_hand() -> None:
    # Means 2 and 4; distances (-1, 0, 1) and (-2, -2, 4); sums of squares 2 and 24 over 2 give std 1 and sqrt 12.
    root = math.sqrt(12)
    expected = [-1.0, 0.0, 1.0, -2 / root, -2 / root, 4 / root]
    assert advantages([1, 2, 3, 2, 2, 8], 3, epsilon=0.0) == pytest.approx(expected, abs=1e-12)
    assert advantages([1, 2, 3, 2, 2, 8], 3, scale="none") == [-1.0, 0.0, 1.0, -2.0, -2.0, 4.0]


def test_the_scale_of_the_batch_worked_by_hand() -> None:
    # All six have mean 3 and squares 4 + 1 + 0 + 1 + 1 + 25 = 32 over 5.
    spread = math.sqrt(32 / 5) + 0.5
    expected = [-1 / spread, 0.0, 1 / spread, -2 / spread, -2 / spread, 4 / spread]
    assert advantages([1, 2, 3, 2, 2, 8], 3, scale="batch", epsilon=0.5) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([2, 2, 1, 1, 2, 1, 2, 1], [1, 1, -1, -1, 1, -1, 1, -1]),
        ([2, 2, 2, 2, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_rewards_of_one_and_two_as_q_insight_gives_them(rewards: list[float], expected: list[int]) -> None:
    assert advantages(rewards, 8) == pytest.approx([0.935239 * sign for sign in expected], abs=1e-6)


def test_mixed_rewards_as_q_insight_gives_them() -> None:
    expected = [1.274555, 0.098043, -0.294128, -0.294128, -1.862811, 1.274555, 0.098043, -0.294128]
    assert advantages([2.0, 1.25, 1.0, 1.0, 0.0, 2.0, 1.25, 1.0], 8) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        (
            [
                [1.976425683, 1.992584032, 1.940929255, 1.983452627, 1.967258758, 1.988721422],
                [1.994533489, 1.973627253, 0.998229536, 1.987138025, 1.678278879, 1.991432603],
            ],
            [
                [0.080421787, 0.92954236, -1.784914108, 0.449687367, -0.401299759, 0.726562353],
                [0.562627551, 0.51011521, -1.939891456, 0.544051604, -0.231741647, 0.554838738],
            ],
        ),
        (
            [
                [0.976425683, 0.992584032, 0.940929255, 0.983452627, 0.967258758, 0.988721422],
                [0.994533489, 0.973627253, 0.998229536, 0.987138025, 0.678278879, 0.991432603],
            ],
            [
                [0.080421787, 0.92954236, -1.784914108, 0.449687367, -0.401299759, 0.726562353],
                [0.450566489, 0.286251722, 0.479615964, 0.392441059, -2.035069986, 0.426194752],
            ],
        ),
    ],
    ids=["with-format", "without-format"],
)
def test_rank_rewards_as_visualquality_r1_gives_them(rewards: list[list[float]], expected: list[list[float]]) -> None:
    assert advantages([*rewards[0], *rewards[1]], 6) == pytest.approx([*expected[0], *expected[1]], abs=1e-7)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_a_missing_reward_is_left_out_and_has_no_advantage(scale: str) -> None:
    whole = group_advantages([1.0, 2.0, 4.0], 3, scale=scale)
    short = group_advantages([1.0, NAN, 2.0, 4.0], 4, scale=scale)
    assert short[1] == 0.0
    assert torch.equal(short[[0, 2, 3]], whole)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize(
    "group", [[0.1, 0.1, 0.1], [0.1 + 0.2, 0.3, 0.3], [NAN, NAN, 5.0], [NAN, NAN, NAN], [0.7, NAN, 0.7]]
)
def test_a_dead_group_has_exactly_no_advantage(group: list[float], scale: str) -> None:
    rewards = torch.tensor([*group, 0.0, 1.0, 2.0], dtype=torch.float64)
    result = group_advantages(rewards, 3, scale=scale, epsilon=0.0).tolist()
    assert result[:4] == [0.0, 0.0, 0.0, -result[5]]
    assert result[5] > 0.4
    assert live_groups(rewards, 3).tolist() == [False, True]


def test_a_mean_that_rounds_leaves_no_advantage_in_single_precision() -> None:
    # 0.7 seven times sums to something else than 7 times 0.7.
    rewards = torch.full((7,), 0.7)
    assert not group_advantages(rewards, 7, epsilon=0.0).any()


def test_groups_of_one_are_dead_and_never_nan() -> None:
    assert group_advantages([1.0, 2.0, NAN], 1).tolist() == [0.0, 0.0, 0.0]
    assert group_advantages([1.0, 2.0, NAN], 1, scale="batch").tolist() == [0.0, 0.0, 0.0]
    assert live_groups([1.0, 2.0, NAN], 1).tolist() == [False, False, False]


def test_no_rewards_make_no_advantages() -> None:
    assert group_advantages(torch.zeros(0), 4).shape == (0,)
    assert live_groups(torch.zeros(0), 4).shape == (0,)


def test_precision_is_that_of_the_rewards_and_whole_numbers_are_taken() -> None:
    assert group_advantages(torch.tensor([1.0, 2.0], dtype=torch.float64), 2).dtype == torch.float64
    assert group_advantages([1, 2], 2).dtype == torch.float32
    assert group_advantages([1, 2], 2).tolist() == pytest.approx([-0.707007, 0.707007], abs=1e-6)


@settings(max_examples=30)
@given(REWARDS, REWARDS, st.floats(-5, 5), st.floats(0.5, 4))
def test_a_group_of_its_own_scale_forgets_shift_and_factor(
    first: list[float], second: list[float], shift: float, factor: float
) -> None:
    plain = advantages(first + second, 4, epsilon=0.0)
    moved = advantages([shift + factor * reward for reward in first] + second, 4, epsilon=0.0)
    assert moved == pytest.approx(plain, abs=1e-6)
    assert sum(plain[:4]) == pytest.approx(0.0, abs=1e-9)
    # Unbiased: the squares sum to one less than the size of the group.
    assert sum(value**2 for value in plain[:4]) == pytest.approx(3.0, abs=1e-6)


@settings(max_examples=30)
@given(REWARDS, REWARDS, st.sampled_from(["group", "none"]))
def test_groups_do_not_see_each_other(first: list[float], second: list[float], scale: str) -> None:
    apart = advantages(first, 4, scale=scale) + advantages(second, 4, scale=scale)
    assert advantages(first + second, 4, scale=scale) == apart


@pytest.mark.parametrize(
    ("rewards", "num_generations", "match"),
    [
        ([1.0, 2.0, 3.0], 2, r"got rewards of shape \(3,\) for groups of 2"),
        ([1.0, 2.0], 0, "groups of 0"),
        ([[1.0, 2.0]], 2, r"shape \(1, 2\)"),
    ],
)
def test_rewards_that_make_no_whole_groups_are_refused(rewards: list[float], num_generations: int, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        group_advantages(rewards, num_generations)
    with pytest.raises(ConfigError, match=match):
        live_groups(rewards, num_generations)


def test_an_unknown_scale_and_an_infinite_reward_are_refused() -> None:
    with pytest.raises(ConfigError, match="'std'; wanted one of group, batch, none"):
        group_advantages([1.0, 2.0], 2, scale="std")
    with pytest.raises(DataError, match="infinite reward"):
        group_advantages([1.0, math.inf], 2)


def test_advantages_of_rows_are_spread_over_their_tokens() -> None:
    rows, shape = torch.tensor([1.0, -2.0]), torch.Size((2, 3))
    spread = [[1.0, 1.0, 1.0], [-2.0, -2.0, -2.0]]
    assert per_token(rows, shape).tolist() == spread
    assert per_token(rows[:, None], shape).tolist() == spread
    assert per_token(torch.tensor(spread), shape).tolist() == spread
