import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.optimize import isotonic_regression as scipy_isotonic
from sklearn.isotonic import IsotonicRegression

from loupe.bench import fits
from loupe.bench.correlate import correlations
from loupe.bench.fits import isotonic, logistic, logistic_curve, rising_steps

pairs = st.lists(st.tuples(st.sampled_from([1.0, 1.5, 2.0, 3.25, 4.0, 5.0]), st.floats(1, 5)), min_size=3, max_size=40)


def bent(n: int, seed: int, noise: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Predictions on 1..5 and labels that are a tanh of them with noise."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(n)
    return 3 + 0.8 * z, 50 + 20 * np.tanh(z) + 20 * noise * rng.standard_normal(n)


def test_adjacent_violators_are_pooled_as_worked_by_hand():
    assert rising_steps(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])) == pytest.approx([1, 2.5, 2.5, 4])
    # 5, then 1 and 3: all three have the mean 3, and the 6 stands alone. The order of the items is no matter.
    assert rising_steps(np.array([4.0, 1, 2, 3]), np.array([6.0, 5, 1, 3])) == pytest.approx([6, 3, 3, 3])


def test_equal_predictions_get_one_value_that_counts_for_all_of_them():
    # Two items with the mean 2, then one with 1: the pool is (1 + 3 + 1) / 3, not (2 + 1) / 2.
    assert rising_steps(np.array([1.0, 1, 2]), np.array([1.0, 3, 1])) == pytest.approx([5 / 3] * 3)


def test_a_rising_fit_of_what_falls_is_its_mean_and_no_fit():
    falling = np.array([9.0, 7, 4, 2])
    assert rising_steps(np.arange(4.0), falling) == pytest.approx([5.5] * 4)
    found = isotonic(np.arange(4), falling)
    assert found.values is None
    assert "run against opinion" in found.reason


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_rising_steps_are_those_of_scikit_learn_and_of_scipy(items: list[tuple[float, float]]):
    x, y = (np.array(column) for column in zip(*items, strict=True))
    steps = rising_steps(x, y)
    assert steps == pytest.approx(IsotonicRegression(increasing=True).fit(x, y).predict(x), abs=1e-9)
    values, counts = np.unique(x, return_counts=True)
    means = np.array([y[x == value].mean() for value in values])
    assert steps == pytest.approx(scipy_isotonic(means, weights=counts).x[np.searchsorted(values, x)], abs=1e-9)


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=30, unique=True))
@settings(max_examples=40, deadline=None)
def test_the_isotonic_fit_of_pairs_in_rising_order_is_exact(numbers: list[int]):
    y = np.sort(np.array(numbers, dtype=float))
    assert isotonic(np.arange(y.size), y).values == pytest.approx(y, abs=1e-12)


def test_the_curve_has_its_middle_and_its_ends_where_the_formula_says():
    x = np.array([-1e6, 3.0, 3.0 + 0.5 * math.log(3), 1e6])
    # At b3 half the way, at b3 + |b4| ln 3 three quarters, at the ends b2 and b1.
    for width in (0.5, -0.5):
        assert logistic_curve(x, 5.0, 1.0, 3.0, width) == pytest.approx([1, 3, 4, 5], abs=1e-12)


def test_the_curve_that_made_the_labels_is_found_on_any_scale():
    x = np.linspace(0, 100, 60)
    y = logistic_curve(x, 80.0, 20.0, 45.0, 9.0)
    for scale, shift in ((1.0, 0.0), (1e-3, 5.0), (1e4, -7e5)):
        found = logistic(scale * x + shift, y)
        assert found.values == pytest.approx(y, abs=1e-4), scale


def test_the_curve_is_that_of_scipy_from_the_start_of_the_field():
    x, y = bent(300, seed=1)
    start = [y.max(), y.min(), x.mean(), x.std() / 4]
    theirs = logistic_curve(x, *curve_fit(logistic_curve, x, y, p0=start, maxfev=10_000)[0])
    found = logistic(x, y)
    assert found.reason == ""
    assert found.values == pytest.approx(theirs, abs=1e-3)
    assert np.corrcoef(found.values, y)[0, 1] > np.corrcoef(x, y)[0, 1] + 0.005


def test_a_curve_keeps_the_order_of_the_predictions_and_so_their_srcc_which_steps_do_not():
    x, y = bent(200, seed=2, noise=1.0)
    order = np.argsort(x)
    assert (np.diff(logistic(x, y).values[order]) > 0).all()
    found = correlations(x, y, n_boot=20)
    assert found.logistic.srcc == pytest.approx(found.srcc, abs=1e-12)
    assert found.isotonic.srcc.value > found.srcc.value


def test_a_step_is_fitted_without_overflow():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = logistic(np.arange(20), [1.0] * 10 + [4.0] * 10)
    assert found.values == pytest.approx([1.0] * 10 + [4.0] * 10, abs=1e-3)


def test_a_curve_that_would_turn_the_predictions_round_is_refused():
    # PLCC is .12, but the least squares of the curve are those of one that falls.
    x, y = [0.0, 4, 0, 9, 10, 3, 0, 4, 0, 9, 10, 3], [2.0, 2, 4, 2, 4, 2, 2, 2, 4, 2, 4, 2]
    assert np.corrcoef(x, y)[0, 1] > 0.1
    found = logistic(x, y)
    assert found.values is None
    assert "falls" in found.reason


@pytest.mark.parametrize(
    ("x", "said"), [([1, 2, 3, 4], "got 4 different"), ([1, 1, 2, 2, 3, 3, 5, 5], "got 4 different"), ([1, 1, 2], "2")]
)
def test_a_curve_of_four_parameters_wants_five_different_predictions(x: list[float], said: str):
    found = logistic(x, np.arange(len(x)))
    assert found.values is None
    assert said in found.reason
    assert isotonic(x, np.arange(len(x))).reason == ""


def test_a_search_that_does_not_end_is_no_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fits, "_EVALUATIONS", 6)
    found = logistic(*bent(50, seed=3))
    assert found.values is None
    assert found.reason == "the search for the curve did not end within 6 evaluations"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ((math.nan, 0.0, 0.0, 1.0), "diverged"),
        # A step at the mean: PLCC .8 where the raw predictions have .99.
        ((1.0, -1.0, 0.0, 1e-9), "agrees less than the raw"),
        ((1.0, 1.0, 0.0, 1.0), "agrees less than the raw"),
    ],
)
def test_a_bad_end_of_the_search_is_no_fit_and_never_the_raw_predictions(
    monkeypatch: pytest.MonkeyPatch, parameters: tuple[float, ...], said: str
):
    monkeypatch.setattr(fits, "_search", lambda u, v: np.array(parameters))
    x = np.arange(30.0)
    found = logistic(x, x + np.sin(x))
    assert found.values is None
    assert said in found.reason


def test_lengths_that_differ_are_refused():
    for fit in fits.MAPS.values():
        with pytest.raises(ValueError, match="got 3 and 4"):
            fit([1, 2, 3], [1, 2, 3, 4])
