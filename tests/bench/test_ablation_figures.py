"""Figures of an ablation: hand-worked means, paired differences that cancel what is shared, and intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from loupe.bench.ablation.figures import METRICS, Drawn, difference, drawn, figure, shown
from loupe.bench.ablation.judged import Judged, check_same_images, entropy_at_the_end, seconds_of_training
from loupe.bench.ablation.learning import row_curves
from loupe.bench.correlate import Interval
from loupe.core.errors import DataError

BY_KEY = {metric.key: metric for metric in METRICS}
SRCC, CLASS, UNUSABLE, ZOOMS, ENTROPY = (
    BY_KEY[key] for key in ("srcc", "class_accuracy", "unusable", "zoom_rate", "entropy")
)


def run(noise: float, *, n: int = 60, seed: int = 0) -> Judged:
    rng = np.random.default_rng(seed)
    mos = np.linspace(1.0, 5.0, n)
    right = (rng.uniform(size=n) > noise / 3).astype(float)
    return Judged(
        ids=tuple(f"i{place:03d}" for place in range(n)),
        groups=tuple(f"r{place // 2}" for place in range(n)),
        mos=mos,
        rating=mos + rng.normal(0.0, noise, n),
        class_right=right,
        severity_right=right * (rng.uniform(size=n) > 0.5),
        zoomed=(rng.uniform(size=n) > 0.5).astype(float),
        unusable=np.zeros(n),
    )


def draws(noise: float, *, n: int = 60, seed: int = 0, **numbers: float) -> Drawn:
    return drawn(run(noise, n=n, seed=seed), n_boot=400, seed=0, **numbers)


def test_a_figure_is_the_mean_over_the_seeds() -> None:
    runs = [run(0.5, seed=seed) for seed in (1, 2, 3)]
    by_hand = np.mean([item.class_right.mean() for item in runs])
    value, low, high = figure(CLASS, [drawn(item, n_boot=400, seed=0) for item in runs], seed=0)
    assert value == pytest.approx(by_hand)
    assert low < value < high


def test_a_row_less_itself_is_zero_and_has_no_width() -> None:
    runs = [draws(0.5, seed=seed) for seed in (1, 2)]
    for metric in METRICS[:6]:
        assert difference(metric, [(item, item) for item in runs], seed=0) == Interval(0.0, 0.0, 0.0)
    assert shown(SRCC, Interval(0.0, 0.0, 0.0)) is None


def test_a_difference_is_that_of_the_figures_and_pairing_makes_it_narrower() -> None:
    good, bad = [draws(0.3, seed=seed) for seed in (1, 2)], [draws(0.9, seed=seed) for seed in (1, 2)]
    change = difference(SRCC, list(zip(good, bad, strict=True)), seed=0)
    one, other = figure(SRCC, good, seed=0), figure(SRCC, bad, seed=0)
    assert change.value == pytest.approx(one.value - other.value)
    assert change.low > 0.0 and shown(SRCC, change) == "better"
    assert change.high - change.low < (one.high - one.low) + (other.high - other.low)


def test_the_same_seed_gives_the_same_interval_and_more_images_a_narrower_one() -> None:
    width = {n: figure(SRCC, [draws(0.5, n=n)], seed=0) for n in (40, 400)}
    assert figure(SRCC, [draws(0.5, n=40)], seed=0) == width[40]
    assert width[400].high - width[400].low < width[40].high - width[40].low


def test_the_spread_over_seeds_is_in_the_interval() -> None:
    alike, apart = [draws(0.5)] * 3, [draws(0.1), draws(0.5), draws(1.5)]
    one, other = figure(SRCC, alike, seed=0), figure(SRCC, apart, seed=0)
    assert other.high - other.low > one.high - one.low


def test_numbers_of_a_training_have_an_interval_over_seeds_alone() -> None:
    single = figure(ENTROPY, [draws(0.5, entropy=0.25)], seed=0)
    assert single.value == 0.25 and math.isnan(single.low)
    value, low, high = figure(ENTROPY, [draws(0.5, entropy=number) for number in (0.2, 0.4)], seed=0)
    assert (value, low, high) == pytest.approx((0.3, 0.2, 0.4))


def test_nothing_is_called_better_when_the_interval_holds_zero() -> None:
    assert shown(SRCC, Interval(0.1, -0.01, 0.2)) is None
    assert shown(SRCC, Interval(0.1, math.nan, math.nan)) is None
    assert shown(SRCC, Interval(-0.1, -0.2, -0.01)) == "worse"
    assert shown(UNUSABLE, Interval(-0.1, -0.2, -0.01)) == "better"
    assert shown(ZOOMS, Interval(0.1, 0.01, 0.2)) == "higher"


def test_runs_that_judged_other_images_are_refused() -> None:
    first = run(0.5)
    check_same_images({"a": first, "b": replace(first, rating=first.rating + 1.0)})
    with pytest.raises(DataError, match="a and b judged 60 and 40 images"):
        check_same_images({"a": first, "b": run(0.5, n=40)})
    with pytest.raises(DataError, match="not the same"):
        check_same_images({"a": first, "b": replace(first, mos=first.mos + 0.1)})


def test_entropy_at_the_end_and_seconds_are_read_from_the_log() -> None:
    rows = [{"step": step, "entropy": float(step), "step_time": 2.0} for step in range(1, 21)] + [{"step": 20}]
    assert entropy_at_the_end(rows) == 19.5
    assert seconds_of_training(rows) == 40.0
    assert math.isnan(entropy_at_the_end([])) and math.isnan(seconds_of_training([{"step": 1}]))


def test_a_learning_curve_is_the_mean_over_the_seeds_where_all_have_a_point() -> None:
    logs = {"row": [[{"step": 1, "reward": 1.0}, {"step": 2, "reward": 3.0}], [{"step": 1, "reward": 2.0}]]}
    assert row_curves(logs)["reward"] == {"row": [(1.0, 1.5, 1.0, 2.0)]}
