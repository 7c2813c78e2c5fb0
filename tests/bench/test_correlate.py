import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loupe.bench import intervals, kendall
from loupe.bench.correlate import (
    UNDEFINED,
    compare,
    correlations,
    mean_interval,
    paired_difference,
    weighted_statistic,
)
from loupe.bench.fits import MAPS

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
    assert weighted_statistic(name, x, y)(weights)[0] == pytest.approx(plain[name](x[taken], y[taken]), abs=1e-9)


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
        (found := correlations(*normal_pair(60, 0.7, seed=seed), n_boot=200, seed=seed, fits=False).plcc).low
        <= 0.7
        <= found.high
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
    monkeypatch.setattr(intervals, "_CELLS", 500)
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


FIGURES = ("plcc", "srcc", "krcc", "rmse")


def test_kendall_and_spearman_of_a_bivariate_normal_are_the_known_functions_of_its_correlation():
    # Kendall 2/pi asin(rho), Spearman 6/pi asin(rho/2) (Kendall and Gibbons 1990). .01 is three standard errors.
    for rho in (-0.5, 0.3, 0.85):
        found = correlations(*normal_pair(50_000, rho, seed=11), n_boot=0, fits=False)
        assert found.plcc.value == pytest.approx(rho, abs=0.01)
        assert found.krcc.value == pytest.approx(2 / math.pi * math.asin(rho), abs=0.01)
        assert found.srcc.value == pytest.approx(6 / math.pi * math.asin(rho / 2), abs=0.01)


@pytest.mark.parametrize("slope", [0.001, 25.0])
def test_a_linear_map_has_a_correlation_of_one_with_what_it_maps(slope: float):
    y = np.random.default_rng(12).normal(3, 1, 200)
    found = correlations(slope * y - 7, y, n_boot=50, fits=False)
    for name in ("plcc", "srcc", "krcc"):
        assert tuple(getattr(found, name)) == pytest.approx((1, 1, 1), abs=1e-12)


@pytest.mark.parametrize("places", [0, 1, 8])
def test_kendall_over_many_blocks_is_that_of_scipy_for_whole_grades_two_digits_and_no_ties(places: int):
    x, y = normal_pair(1500, 0.6, seed=13)
    x, y = np.round(3 + x, places), np.round(3 + y, 1)
    taken = np.random.default_rng(14).integers(0, 1500, size=1500)
    weights = np.bincount(taken, minlength=1500)[None, :].astype(float)
    expected = stats.kendalltau(x[taken], y[taken]).statistic
    assert kendall.krcc(x, y)(weights)[0] == pytest.approx(expected, abs=1e-12)


def test_kendall_of_ten_thousand_items_looks_at_few_pairs_one_by_one():
    x = np.round(normal_pair(10_000, 0.6, seed=15)[0], 2)
    blocks = kendall._cut(x)
    assert all(np.unique(blocks[x == value]).size == 1 for value in (0.0, 1.0, -0.5))
    assert sum(items.size**2 for items in kendall._members(blocks, x)) < 10_000**2 / 40


def test_numbers_too_large_to_be_squared_still_have_a_correlation():
    x, y = normal_pair(40, 0.6, seed=16)
    there, huge = correlations(x, y, n_boot=20), correlations(1e150 * x, y, n_boot=20)
    assert huge.plcc == pytest.approx(there.plcc, abs=1e-9)
    assert huge.logistic.plcc == pytest.approx(there.logistic.plcc, abs=1e-5)
    assert huge.isotonic.plcc == pytest.approx(there.isotonic.plcc, abs=1e-9)


@pytest.mark.parametrize("kind", sorted(MAPS))
def test_a_fitted_figure_is_the_raw_figure_of_the_mapped_predictions(kind: str):
    x, y = normal_pair(120, 0.7, seed=17)
    groups = [f"reference {index % 40}" for index in range(120)]
    found = getattr(correlations(x, y, groups=groups, n_boot=100, seed=3), kind)
    mapped = correlations(MAPS[kind](x, y).values, y, groups=groups, n_boot=100, seed=3, fits=False)
    for name in ("plcc", "srcc", "rmse"):
        assert getattr(found, name) == getattr(mapped, name)
    assert found.reason == ""
    assert found.plcc.low < found.plcc.value < found.plcc.high


def test_fits_change_no_raw_figure_and_can_be_left_out():
    x, y = normal_pair(80, 0.7, seed=18)
    with_fits, without = correlations(x, y), correlations(x, y, fits=False)
    for name in FIGURES:
        assert getattr(with_fits, name) == getattr(without, name)
    assert "not asked for" in without.logistic.reason
    assert all(math.isnan(number) for number in without.isotonic.plcc)


@given(scores)
@settings(max_examples=25, deadline=None)
def test_a_fit_has_figures_or_a_reason_and_never_agrees_less_than_the_raw_predictions(
    pairs: list[tuple[float, float]],
):
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    found = correlations(x, y, n_boot=0)
    for fitted in (found.logistic, found.isotonic):
        assert math.isnan(fitted.plcc.value) == bool(fitted.reason)
        if not fitted.reason:
            assert fitted.plcc.value >= found.plcc.value - 1e-4
            assert fitted.rmse.value <= math.sqrt(((y - y.mean()) ** 2).mean()) + 1e-9


def test_predictions_that_run_against_opinion_keep_their_sign_and_get_no_fit():
    x, y = normal_pair(200, 0.8, seed=19)
    found = correlations(-x, y)
    assert found.plcc.high < -0.7
    for fitted in (found.logistic, found.isotonic):
        assert "run against opinion" in fitted.reason
        assert fitted.plcc == fitted.srcc == fitted.rmse == pytest.approx(UNDEFINED, nan_ok=True)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2], "got 2 items"),
        ([3.1, 3.1, 3.1, 3.1], [1, 2, 3, 4], "constant"),
        ([1, 2, 3, 4], [0.1, 0.1, 0.1, 0.1], "constant"),
        ([1, 2, float("nan"), 4], [1, 2, 3, 4], "not a finite number"),
        ([1, 2, 3, 4], [1, float("inf"), 3, 4], "not a finite number"),
    ],
)
def test_what_cannot_be_fitted_says_why(x: list[float], y: list[float], said: str):
    found = correlations(x, y)
    assert said in found.logistic.reason
    assert said in found.isotonic.reason
    assert math.isnan(found.isotonic.rmse.value)


def test_the_record_is_plain_json():
    x, y = normal_pair(30, 0.6, seed=20)
    row = json.loads(json.dumps(asdict(correlations(x, y, n_boot=20))))
    assert list(row) == ["n", *FIGURES, "logistic", "isotonic"]
    assert set(row["isotonic"]) == {"plcc", "srcc", "rmse", "reason"}
    assert len(row["isotonic"]["plcc"]) == 3


def test_a_comparison_is_all_paired_differences_in_one():
    rng = np.random.default_rng(210)
    x, y = normal_pair(150, 0.7, seed=21)
    a, b = x + 0.2 * rng.standard_normal(150), x + 0.6 * rng.standard_normal(150)
    groups = [f"reference {index % 50}" for index in range(150)]
    common = {"groups": groups, "n_boot": 200, "seed": 5}
    found = compare(a, b, y, **common)
    assert found.n == 150
    for name in FIGURES:
        assert getattr(found, name)[:3] == paired_difference(a, b, y, statistic=name, **common)
    for kind, fit in MAPS.items():
        of_a, of_b = fit(a, y).values, fit(b, y).values
        for name in ("plcc", "srcc", "rmse"):
            expected = paired_difference(of_a, of_b, y, statistic=name, **common)
            assert getattr(getattr(found, kind), name)[:3] == expected


def test_the_share_of_draws_above_zero_is_counted_over_the_draws():
    rng = np.random.default_rng(220)
    x, y = normal_pair(60, 0.7, seed=22)
    b = x + 0.15 * rng.standard_normal(60)
    found = compare(x, b, y, n_boot=400, seed=6)
    weights = np.concatenate(list(intervals.draws(None, n=60, count=400, seed=6)))
    higher = weighted_statistic("srcc", x, y)(weights) > weighted_statistic("srcc", b, y)(weights)
    assert 0.05 < higher.mean() < 0.999
    assert found.srcc.above == pytest.approx(higher.mean(), abs=1e-12)


def test_a_comparison_turned_round_changes_its_signs():
    rng = np.random.default_rng(230)
    x, y = normal_pair(60, 0.7, seed=23)
    b = x + 0.4 * rng.standard_normal(60)
    there, back = compare(x, b, y, n_boot=100), compare(b, x, y, n_boot=100)
    for name in FIGURES:
        value, low, high, above = getattr(back, name)
        assert getattr(there, name) == pytest.approx((-value, -high, -low, 1 - above), abs=1e-12)


def test_a_system_compared_with_itself_is_above_in_half_of_the_draws():
    x, y = normal_pair(60, 0.5, seed=24)
    found = compare(x, x, y, n_boot=50)
    for difference in (found.plcc, found.krcc, found.rmse, found.logistic.plcc, found.isotonic.srcc):
        assert difference == (0.0, 0.0, 0.0, 0.5)


def test_a_comparison_with_what_has_no_fit_keeps_the_raw_differences_and_says_why():
    x, y = normal_pair(60, 0.7, seed=25)
    found = compare(x, -x, y, n_boot=50)
    assert found.srcc.value == pytest.approx(2 * correlations(x, y, n_boot=0).srcc.value)
    assert found.isotonic.reason.startswith("second: ")
    assert all(math.isnan(number) for number in found.isotonic.plcc)


@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([1, 2], [2, 1]), ([3, 3, 3], [1, 2, 3]), ([1, 2, float("nan")], [1, 2, 3])]
)
def test_what_cannot_be_compared_gives_nan_and_no_exception(a: list[float], b: list[float]):
    found = compare(a, b, [1.0, 2.0, 3.0][: len(a)], n_boot=20)
    assert found.n == len(a)
    assert all(math.isnan(number) for number in (*found.plcc, *found.srcc, *found.isotonic.plcc))
    assert found.logistic.reason


def test_a_comparison_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="got 3 and 2"):
        compare([1, 2, 3], [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="got 3 and 4"):
        compare([1, 2, 3], [1, 2, 4], [1, 2, 3, 4])
