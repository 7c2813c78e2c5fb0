"""Weights, places and draws as theorems: the parts work alone, together and not at all."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.config import load_config
from loupe.core.errors import ConfigError
from loupe.data.rating_bins import bin_edges, rating_bins
from loupe.grpo.resampling import (
    SCHEDULES,
    ResamplingConfig,
    can_draw,
    dead_streaks,
    draw_images,
    group_rewards,
    image_weights,
    power_at,
    rarity,
    still_teaching,
    task_quotas,
    task_shares,
)

NAN = math.nan


def test_rarity_is_worked_by_hand() -> None:
    # Four bins of one point: three images in the first, one in the last, to which the rating 5 belongs.
    assert rarity(np.array([1.0, 1.2, 1.9, 5.0]), ["x"] * 4, bins=4) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_a_bin_is_counted_for_each_data_set_by_itself() -> None:
    # 4.5 is common in a and alone of its kind in b.
    found = rarity(np.array([4.5, 4.5, 4.5, 1.5, 4.5, 1.5, 1.5, 1.5]), ["a"] * 4 + ["b"] * 4, bins=4)
    assert found == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 2, 2 / 3, 2 / 3, 2 / 3])


@given(
    st.lists(st.tuples(st.floats(1, 5), st.sampled_from("abc")), min_size=1, max_size=50),
    st.integers(1, 20),
)
def test_rarity_has_a_mean_of_one_and_weighs_the_bins_of_a_data_set_alike(
    rows: list[tuple[float, str]], bins: int
) -> None:
    values, names = np.array([rating for rating, _ in rows]), np.array([name for _, name in rows])
    found = rarity(values, names, bins=bins)
    for name in set(names.tolist()):
        mine, place = found[names == name], rating_bins(values[names == name], bins=bins)
        assert mine.mean() == pytest.approx(1)
        sums = np.bincount(place, mine)
        assert sums[sums > 0] == pytest.approx(len(mine) / np.count_nonzero(sums))


def test_ratings_fall_between_the_edges_of_their_bin() -> None:
    edges = np.array(bin_edges(8))
    ratings = np.linspace(1, 5, 401)[:-1]
    place = rating_bins(ratings, bins=8)
    assert edges[0] == 1
    assert edges[-1] == 5
    assert (edges[place] <= ratings).all()
    assert (ratings < edges[place + 1]).all()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("ramp", [0.3, 1.0])
def test_the_power_grows_from_nothing_to_the_final_one_and_stays(schedule: str, ramp: float) -> None:
    config = ResamplingConfig(final_power=0.7, schedule=schedule, ramp=ramp)
    powers = [power_at(progress, config) for progress in np.linspace(0, 1, 41)]
    assert powers[0] == 0
    assert power_at(ramp / 2, config) == pytest.approx(0.35)
    assert power_at(ramp, config) == powers[-1] == pytest.approx(0.7)
    growing = powers[: round(40 * ramp) + 1]
    assert all(later > earlier for earlier, later in pairwise(growing))


def test_the_constant_schedule_has_the_final_power_from_the_start() -> None:
    assert [power_at(at, ResamplingConfig(0.7, "constant")) for at in (0.0, 0.5, 1.0)] == [0.7, 0.7, 0.7]
    assert set(SCHEDULES) == {"linear", "cosine", "constant"}


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(sorted(SCHEDULES)), st.floats(0.01, 1))
def test_the_power_never_falls(one: float, other: float, schedule: str, ramp: float) -> None:
    config = ResamplingConfig(schedule=schedule, ramp=ramp)
    assert power_at(min(one, other), config) <= power_at(max(one, other), config) <= 1


def test_a_group_teaches_where_two_rewards_differ() -> None:
    rewards = np.array([[0, 1, NAN], [1, 1, 1], [2, NAN, NAN], [NAN, NAN, NAN], [0.5, 0.5 + 1e-9, 0.5]])
    groups = group_rewards(rewards)
    assert groups.mean[:3] == pytest.approx([0.5, 1, 2])
    assert np.isnan(groups.mean[3])
    assert groups.spread[:2] == pytest.approx([0.5, 0])
    assert np.isnan(groups.spread[2:4]).all()
    assert groups.dead(ceiling=None).tolist() == [False, True, True, True, True]


def test_a_group_at_the_ceiling_has_nothing_left_to_teach() -> None:
    groups = group_rewards(np.array([[0.8, 1.0], [0.7, 1.0], [1.0, 1.0]]))
    assert groups.dead(ceiling=0.9).tolist() == [True, False, True]
    assert groups.dead(ceiling=2.0).tolist() == [False, False, True]


def test_an_image_is_spent_after_dead_groups_in_a_row_and_comes_back_with_a_live_one() -> None:
    dead, alive = np.array([True, True]), np.array([True, False])
    history = [(np.array([0, 1]), dead), (np.array([1, 2]), dead), (np.array([0, 1]), alive)]
    config = ResamplingConfig(spent_weight=0.1, recent=2)
    assert dead_streaks(history[:2], images=4).tolist() == [1, 2, 1, 0]
    assert still_teaching(dead_streaks(history[:2], images=4), config).tolist() == [1, 0.1, 1, 1]
    assert dead_streaks(history, images=4).tolist() == [2, 0, 1, 0]
    assert still_teaching(dead_streaks(history, images=4), config).tolist() == [0.1, 1, 1, 1]


RARE, SETS = np.array([0.5, 0.5, 2.0, 0.8, 1.2]), np.array([0, 0, 0, 1, 1])
SPENT = np.array([1.0, 0.2, 1.0, 1.0, 0.2])


def test_without_both_parts_every_image_weighs_one() -> None:
    assert image_weights(RARE, SETS, power=0, teaching=np.ones(5)) == pytest.approx(np.ones(5))


def test_each_part_works_alone_and_together_they_multiply() -> None:
    power = image_weights(RARE, SETS, power=0.5, teaching=np.ones(5))
    teaching = image_weights(RARE, SETS, power=0, teaching=SPENT)
    assert power[2] / power[0] == pytest.approx(2)
    assert teaching == pytest.approx(SPENT)
    assert image_weights(RARE, SETS, power=0.5, teaching=SPENT) == pytest.approx(power * teaching)


@given(st.floats(0, 10))
def test_the_power_moves_no_weight_from_one_data_set_to_another(power: float) -> None:
    weights = image_weights(RARE, SETS, power=power, teaching=np.ones(5))
    assert np.bincount(SETS, weights) == pytest.approx([3, 2])
    assert (weights > 0).all()


def test_the_places_of_a_chunk_are_its_largest_remainders() -> None:
    assert task_quotas(np.array([0.5, 0.3, 0.2]), size=10, chunks=1).tolist() == [[5, 3, 2]]
    assert task_quotas(np.array([0.55, 0.28, 0.17]), size=4, chunks=1).tolist() == [[2, 1, 1]]


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=5), st.integers(1, 9))
def test_shares_that_do_not_fit_a_chunk_come_out_right_over_several(parts: list[float], size: int) -> None:
    shares = np.array(parts) / sum(parts)
    table = task_quotas(shares, size=size, chunks=30)
    assert (table.sum(axis=1) == size).all()
    assert (table >= 0).all()
    behind = shares * size * np.arange(1, 31)[:, None] - table.cumsum(axis=0)
    assert np.abs(behind).max() < len(parts)
    # Each place goes to the one furthest behind, so nobody gets more than one place ahead.
    assert behind.min() > -1


def test_how_many_places_come_first_does_not_hang_on_how_many_follow() -> None:
    shares = np.array([0.4, 0.35, 0.25])
    assert (task_quotas(shares, size=3, chunks=9)[:4] == task_quotas(shares, size=3, chunks=4)).all()


def test_without_a_mix_all_tasks_have_the_same_share_and_a_share_of_zero_leaves_one_out() -> None:
    assert task_shares(["b", "a"], None) == {"a": 0.5, "b": 0.5}
    assert task_shares(["a", "b", "c"], {"a": 1, "b": 3, "c": 0}) == {"a": 0.25, "b": 0.75}


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"a": 1}, "the task 'b' has no share in the mix"),
        ({"a": 1, "b": 1, "c": 1}, "the task 'c' has a share in the mix and no rows"),
        ({"a": 0, "b": 0}, "wanted shares of 0 or more, one above 0"),
        ({"a": -1, "b": 2}, "wanted shares of 0 or more"),
        ({"a": NAN, "b": 2}, "wanted shares of 0 or more"),
    ],
)
def test_a_mix_that_does_not_fit_the_tasks_is_refused(mix: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_shares(["a", "b"], mix)


def members_of(sizes: list[int]) -> list[np.ndarray]:
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


@given(st.lists(st.integers(3, 9), min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 36), st.integers(0, 99))
def test_a_draw_is_distinct_and_touches_no_data_set_lightly(
    sizes: list[int], least: int, count: int, seed: int
) -> None:
    members, rng = members_of(sizes), np.random.default_rng(seed)
    if count and not (count >= least and can_draw(np.array(sizes), rest=count, least=least)):
        return
    weights = rng.uniform(0.01, 1, sum(sizes))
    drawn = draw_images(members, weights, count=count, least=least, rng=rng)
    assert len(drawn) == len(set(drawn.tolist())) == count
    taken = np.array([np.isin(drawn, images).sum() for images in members])
    assert ((taken == 0) | (taken >= least)).all()


@given(st.lists(st.integers(2, 5), min_size=1, max_size=4), st.integers(2, 20))
def test_a_draw_can_be_made_exactly_where_a_count_of_each_data_set_exists(sizes: list[int], count: int) -> None:
    reachable = {0}
    for size in sizes:
        reachable = {total + taken for total in reachable for taken in (0, *range(2, size + 1))}
    assert can_draw(np.array(sizes), rest=count, least=2) == (count in reachable)


def test_data_sets_that_only_add_up_one_way_are_drawn_that_way() -> None:
    # Two of each of the small ones are all there is, so an odd count needs three of the first.
    for seed in range(30):
        drawn = draw_images(members_of([3, 2, 2]), np.ones(7), count=5, least=2, rng=np.random.default_rng(seed))
        assert np.isin([0, 1, 2], drawn).all()
    assert not can_draw(np.array([2, 2, 2]), rest=5, least=2)


def test_a_draw_of_one_by_one_is_the_plain_draw_by_weight_without_replacement() -> None:
    # Over two data sets, P(first i, then j) = w_i w_j / (1 - w_i).
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    rng, times = np.random.default_rng(5), 4000
    seen = np.zeros((4, 4))
    for _ in range(times):
        first, second = draw_images(members_of([2, 2]), weights, count=2, least=1, rng=rng)
        seen[first, second] += 1
    wanted = times * weights[:, None] * weights / (1 - weights[:, None])
    np.fill_diagonal(wanted, 0)
    pairs = ~np.eye(4, dtype=bool)
    chi_square = ((seen - wanted)[pairs] ** 2 / wanted[pairs]).sum()
    # The 99.9 % point of chi-square with 11 degrees of freedom.
    assert chi_square < 31.3


def test_data_sets_are_chosen_by_their_weight_also_in_blocks() -> None:
    members, rng = members_of([600, 200]), np.random.default_rng(1)
    drawn = [draw_images(members, np.ones(800), count=4, least=2, rng=rng) for _ in range(2000)]
    # One block in four is of the second; 0.04 is five standard errors.
    assert np.mean(np.concatenate(drawn) >= 600) == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("final_power", -0.1),
        ("final_power", NAN),
        ("final_power", 11.0),
        ("schedule", "square"),
        ("ramp", 0.0),
        ("ramp", 1.1),
        ("bins", 0),
        ("spent_weight", 0.0),
        ("spent_weight", 1.5),
        ("recent", 0),
        ("ceiling", NAN),
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"resampling\.{field}=.*; wanted"):
        ResamplingConfig(**{field: value})  # type: ignore[arg-type]


def test_the_settings_load_from_words() -> None:
    words = ["final_power=0.5", "schedule=cosine", "ramp=0.5", "bins=4", "spent_weight=0.2", "recent=3", "ceiling=0.9"]
    loaded = load_config(ResamplingConfig, overrides=words)
    assert loaded == ResamplingConfig(0.5, "cosine", 0.5, 4, 0.2, 3, 0.9)
    assert load_config(ResamplingConfig, overrides=["ceiling=null"]).ceiling is None
