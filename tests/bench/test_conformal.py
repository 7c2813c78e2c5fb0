"""Split conformal prediction: the quantile by hand, and what it promises by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.bench.calibration.conformal import (
    UNKNOWN_SPREAD,
    conformal_quantile,
    interval,
    least_units,
    nonconformity_scores,
    unit_widths,
    weights_by,
)


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


def test_of_nine_scores_the_greatest_covers_nine_tenths_and_of_nineteen_the_eighteenth() -> None:
    # ceil((9 + 1) .9) = 9 and ceil((19 + 1) .9) = 18.
    assert conformal_quantile(range(1, 10), weights_by(names(9), by="image"), alpha=0.1) == 9
    assert conformal_quantile(range(1, 20), weights_by(names(19), by="image"), alpha=0.1) == 18


def test_eight_scores_are_too_few_for_nine_tenths() -> None:
    assert conformal_quantile(range(8), weights_by(names(8), by="image"), alpha=0.1) == math.inf
    assert least_units(0.1) == 9
    assert least_units(0.05) == 19


@given(
    st.lists(st.floats(0, 4), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5]),
)
def test_the_quantile_is_the_ceiled_order_statistic(scores: list[float], alpha: float) -> None:
    n = len(scores)
    place = math.ceil(round((n + 1) * (1 - alpha), 9))
    expected = sorted(scores)[place - 1] if place <= n else math.inf
    for by in ("image", "reference", "one"):
        assert conformal_quantile(scores, weights_by(names(n), by=by), alpha=alpha) == expected


def test_a_reference_counts_as_one_however_many_versions_it_has() -> None:
    groups = ["a"] * 3 + ["b"]
    assert weights_by(groups, by="reference").tolist() == pytest.approx([1 / 9, 1 / 9, 1 / 9, 1 / 3])
    assert weights_by(groups, by="image").tolist() == pytest.approx([0.2] * 4)
    drawn = weights_by(groups, by="one", seed=3)
    assert sorted(drawn.tolist())[:2] == [0, 0]
    assert drawn.sum() == pytest.approx(2 / 3)
    assert drawn[3] == pytest.approx(1 / 3)


def test_one_reference_of_many_versions_does_not_pull_the_width_to_itself() -> None:
    # 90 versions of one easy reference, and ten hard references with one image each.
    groups, scores = ["easy"] * 90 + names(10), [0.1] * 90 + [1.0] * 10
    assert conformal_quantile(scores, weights_by(groups, by="image"), alpha=0.2) == 0.1
    assert conformal_quantile(scores, weights_by(groups, by="reference"), alpha=0.2) == 1.0


def test_another_way_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one of reference, image, one"):
        weights_by(["a"], by="split")


def test_a_scaled_width_grows_with_the_spread_and_an_unknown_spread_counts_as_large() -> None:
    assert unit_widths([None, 0.3], nonconformity="absolute", floor=0.2).tolist() == [1.0, 1.0]
    widths = unit_widths([0.0, 0.3, None], nonconformity="scaled", floor=0.2)
    assert widths.tolist() == pytest.approx([0.2, 0.5, 0.2 + UNKNOWN_SPREAD])
    assert nonconformity_scores([3.0, 3.0], [3.5, 2.0], np.array([0.5, 2.0])).tolist() == [1.0, 0.5]


def test_an_interval_stays_on_the_scale() -> None:
    assert interval(3.0, 0.5) == (2.5, 3.5)
    assert interval(4.8, 0.5) == (pytest.approx(4.3), 5.0)
    assert interval(1.2, math.inf) == (1.0, 5.0)


def simulated(rng: np.random.Generator, *, references: int, versions: int) -> tuple[np.ndarray, list[str]]:
    """Errors (n,) whose size is mostly that of their reference, and the references."""
    sizes = rng.lognormal(0.0, 0.8, references)
    errors = np.abs(rng.normal(0.0, sizes[:, None], (references, versions))).ravel()
    return errors, [f"r{number}" for number in range(references) for _ in range(versions)]


@pytest.mark.parametrize("by", ["reference", "one"])
def test_a_new_image_of_a_new_reference_is_covered_as_promised(by: str) -> None:
    rng, alpha = np.random.default_rng(1), 0.2
    hits: list[float] = []
    for _ in range(1500):
        errors, groups = simulated(rng, references=14, versions=4)
        quantile = conformal_quantile(errors, weights_by(groups, by=by, seed=0), alpha=alpha)
        new, _ = simulated(rng, references=1, versions=1)
        hits.append(float(new[0] <= quantile))
    # Between 1 - alpha and that plus 1/15, with four standard errors of 1,500 repeats on either side.
    error = 4 * math.sqrt(0.2 * 0.8 / 1500)
    assert 1 - alpha - error <= np.mean(hits) <= 1 - alpha + 1 / 15 + error


def test_taking_versions_for_independent_covers_less_than_is_promised() -> None:
    """Hard references, which are every second one, have two versions each, easy ones twenty."""
    rng, alpha = np.random.default_rng(2), 0.2
    covered = {"image": 0.0, "reference": 0.0}
    for _ in range(1000):
        hard = rng.random(12) < 0.5
        sizes = np.where(hard, 2, 20)
        errors = np.abs(rng.normal(0.0, np.repeat(np.where(hard, 2.0, 0.5), sizes)))
        groups = [f"r{number}" for number, size in enumerate(sizes) for _ in range(size)]
        new = abs(rng.normal(0.0, 2.0 if rng.random() < 0.5 else 0.5))
        for by in covered:
            covered[by] += float(new <= conformal_quantile(errors, weights_by(groups, by=by), alpha=alpha)) / 1000
    assert covered["image"] < 1 - alpha - 0.05
    assert covered["reference"] >= 1 - alpha - 4 * math.sqrt(0.16 / 1000)
