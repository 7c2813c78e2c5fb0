import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loupe.bench import correlate
from loupe.bench.correlate import correlations, mean_interval, paired_difference

scores = st.lists(
    st.tuples(st.sampled_from([1.0, 1.5, 2.0, 3.25, 4.0, 5.0]), st.floats(1, 5).map(lambda x: round(x, 2))),
    min_size=3,
    max_size=40,
)


def normal_pair(n: int, rho: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    return x, rho * x + math.sqrt(1 - rho**2) * rng.standard_normal(n)


def test_figures_of_four_items_are_those_worked_by_hand():
    # One of six pairs is discordant: tau = (5 - 1) / 6. Rank differences 0, 1, 1, 0: rho = 1 - 6 * 2 / (4 * 15).
    found = correlations([1, 2, 3, 4], [1, 3, 2, 4])
    assert found.n == 4
    assert found.krcc.value == pytest.approx(4 / 6, abs=1e-12)
    assert found.srcc.value == pytest.approx(0.8, abs=1e-12)
    assert found.plcc.value == pytest.approx(0.8, abs=1e-12)
    assert found.rmse.value == pytest.approx(math.sqrt(0.5), abs=1e-12)


def test_ties_count_as_in_tau_b_worked_by_hand():
    # Two of three pairs are untied in x and both agree, all three are untied in y: 2 / sqrt(2 * 3).
    assert correlations([1, 1, 2], [1, 2, 3]).krcc.value == pytest.approx(2 / math.sqrt(2 * 3), abs=1e-12)
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    assert correlations([1, 1, 2], [1, 2, 3]).srcc.value == pytest.approx(1.5 / math.sqrt(1.5 * 2), abs=1e-12)


@given(scores)
@settings(max_examples=60, deadline=None)
def test_figures_are_those_of_scipy_with_ties(pairs: list[tuple[float, float]]):
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    found = correlations(x, y, n_boot=0)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert all(math.isnan(getattr(found, name).value) for name in ("plcc", "srcc", "krcc"))
        return
    assert found.plcc.value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert found.srcc.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert found.krcc.value == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-9)


@pytest.mark.parametrize("name", ["plcc", "srcc", "krcc", "rmse"])
def test_a_weighted_draw_is_the_figure_of_the_items_that_were_taken(name: str):
    rng = np.random.default_rng(3)
    x, y = np.round(rng.uniform(1, 5, 30), 1), np.round(rng.uniform(1, 5, 30), 1)
    taken = rng.integers(0, 30, size=30)
    weights = np.bincount(taken, minlength=30)[None, :].astype(float)
    plain = {
        "plcc": lambda a, b: stats.pearsonr(a, b).statistic,
        "srcc": lambda a, b: stats.spearmanr(a, b).statistic,
        "krcc": lambda a, b: stats.kendalltau(a, b).statistic,
        "rmse": lambda a, b: math.sqrt(((a - b) ** 2).mean()),
    }
    assert correlate._STATISTICS[name](x, y)(weights)[0] == pytest.approx(plain[name](x[taken], y[taken]), abs=1e-9)


def test_a_monotone_map_changes_no_rank_figure_and_no_interval():
    x, y = normal_pair(50, 0.6, seed=1)
    plain, mapped = correlations(x, y), correlations(np.exp(x), y)
    assert mapped.srcc == pytest.approx(plain.srcc, abs=1e-12)
    assert mapped.krcc == pytest.approx(plain.krcc, abs=1e-12)
    assert abs(mapped.plcc.value - plain.plcc.value) > 0.01


def test_turning_the_predictions_round_turns_the_sign():
    x, y = normal_pair(50, 0.6, seed=2)
    there, back = correlations(x, y), correlations(-x, y)
    for name in ("plcc", "srcc", "krcc"):
        assert getattr(back, name).value == pytest.approx(-getattr(there, name).value, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1], [2]),
        ([1, 2], [1, 2]),
        ([3.1, 3.1, 3.1, 3.1], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1]),
        ([1, 2, float("nan"), 4], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [1, float("inf"), 3, 4]),
    ],
)
def test_what_has_no_correlation_gives_nan_and_no_exception(x: list[float], y: list[float]):
    found = correlations(x, y)
    assert found.n == len(x)
    for name in ("plcc", "srcc", "krcc"):
        assert all(math.isnan(number) for number in getattr(found, name))


def test_the_error_of_a_constant_guess_is_still_defined():
    found = correlations([3, 3, 3, 3], [1, 2, 4, 5])
    assert found.rmse.value == pytest.approx(math.sqrt(2.5))
    assert found.rmse.low <= found.rmse.value <= found.rmse.high


def test_a_figure_that_most_draws_cannot_give_has_no_interval():
    # A draw needs the one odd item of x and the one of y: 1 - 2 (5/6)^6 + (4/6)^6 = .42 of the draws have both.
    found = correlations([5, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 5])
    assert math.isfinite(found.srcc.value)
    assert math.isnan(found.srcc.low)


def test_a_single_group_has_no_interval_for_nothing_can_be_resampled():
    found = correlations([1, 2, 3, 4], [1, 3, 2, 4], groups=["a"] * 4)
    assert found.srcc.value == pytest.approx(0.8)
    assert math.isnan(found.srcc.low)
    assert math.isnan(found.srcc.high)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="got 3 and 4"):
        correlations([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(ValueError, match="2 groups for 3"):
        correlations([1, 2, 3], [1, 2, 3.5], groups=["a", "b"])


def test_the_interval_holds_the_true_correlation_about_as_often_as_it_says():
    held = sum(
        (found := correlations(*normal_pair(60, 0.7, seed=seed), n_boot=200, seed=seed).plcc).low <= 0.7 <= found.high
        for seed in range(200)
    )
    # 95 % nominal; 200 trials have a standard error of 1.5 %, and percentile intervals are a little narrow at n = 60.
    assert 0.88 <= held / 200 <= 0.985


def test_whole_groups_are_resampled():
    x, y = normal_pair(40, 0.5, seed=4)
    copies = [f"reference {index}" for index in range(40)] * 4
    alone = correlations(x, y, n_boot=2000).plcc
    grouped = correlations(np.tile(x, 4), np.tile(y, 4), groups=copies, n_boot=2000).plcc
    items = correlations(np.tile(x, 4), np.tile(y, 4), n_boot=2000).plcc
    assert grouped == pytest.approx(alone, abs=0.03)
    # Copies that pass for witnesses halve the width: four times as many.
    assert (items.high - items.low) / (grouped.high - grouped.low) == pytest.approx(0.5, abs=0.1)


def test_the_same_seed_gives_the_same_interval_in_any_memory(monkeypatch: pytest.MonkeyPatch):
    x, y = normal_pair(80, 0.4, seed=5)
    before = correlations(x, y, seed=9)
    monkeypatch.setattr(correlate, "_CELLS", 500)
    after = correlations(x, y, seed=9)
    for name in ("plcc", "srcc", "krcc", "rmse"):
        assert tuple(getattr(after, name)) == pytest.approx(tuple(getattr(before, name)), abs=1e-9)
    assert correlations(x, y, seed=10).plcc != before.plcc


def test_a_system_differs_from_itself_by_nothing():
    x, y = normal_pair(60, 0.5, seed=6)
    for statistic in ("plcc", "srcc", "krcc", "rmse", "mean"):
        assert tuple(paired_difference(x, x, y, statistic=statistic)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_what_two_systems_share_cancels_in_their_difference():
    rng = np.random.default_rng(70)
    x, y = normal_pair(200, 0.7, seed=7)
    a, b = x + 0.2 * rng.standard_normal(200), x + 0.8 * rng.standard_normal(200)
    found = paired_difference(a, b, y)
    of_a, of_b = correlations(a, y).srcc, correlations(b, y).srcc
    assert found.value == pytest.approx(of_a.value - of_b.value, abs=1e-12)
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.85 * math.hypot(of_a.high - of_a.low, of_b.high - of_b.low)


def test_a_difference_of_means_is_the_mean_of_the_differences():
    found = paired_difference([1, 0, 1, 1], [0, 0, 1, 0], None, statistic="mean")
    assert found.value == pytest.approx(0.5)
    assert found.low <= 0.5 <= found.high


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(8).standard_normal(500)
    found = mean_interval(values, n_boot=4000)
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(500), rel=0.08)


def test_an_unknown_statistic_is_refused():
    with pytest.raises(ValueError, match="'median'"):
        paired_difference([1, 2, 3], [1, 2, 3], [1, 2, 3], statistic="median")
    with pytest.raises(ValueError, match="with mos"):
        paired_difference([1, 2, 3], [1, 2, 3], None, statistic="srcc")
