"""Mean figures of a row over its seeds, paired differences between rows, and their intervals: a two-level bootstrap.

Ours: each draw takes seeds with replacement and groups of images (one reference image each) with replacement, and its
statistic is the mean over the drawn seeds of the figure on the drawn images. All rows and seeds see the same images in
a draw, and rows with equally many seeds the same seeds, so what two rows share cancels in their difference. With one
seed the images alone are drawn. Two or three seeds carry little about the spread over seeds: such an interval is too
narrow rather than too wide, and the tables say so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.ablation.by_rating import balanced_error
from loupe.bench.ablation.judged import Judged
from loupe.bench.correlate import UNDEFINED, Floats, Interval, Weighted, draws, interval_of, weighted_statistic


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of the table. `better` is 1 where higher is better, -1 where lower is, 0 where neither is."""

    key: str
    words: str
    better: int
    places: int = 3


IMAGE_METRICS = (
    Metric("srcc", "SRCC", 1),
    Metric("plcc", "PLCC", 1),
    Metric("class_accuracy", "class", 1),
    Metric("severity_accuracy", "class + level", 1),
    Metric("balanced_error", "balanced error", -1),
    Metric("zoom_rate", "zooms", 0),
    Metric("unusable", "unusable", -1),
)
"""Figures over images: agreement in -1..1, errors in ratings, the others shares in 0..1."""
RUN_METRICS = (Metric("entropy", "entropy", 0), Metric("seconds", "training, s", 0, places=0))
"""Figures of a training: nats per token at its end, and seconds. Images have no bearing on them."""
METRICS = (*IMAGE_METRICS, *RUN_METRICS)

_OF_IMAGES: dict[str, Callable[[Judged], Weighted]] = {
    "srcc": lambda run: weighted_statistic("srcc", run.rating, run.mos),
    "plcc": lambda run: weighted_statistic("plcc", run.rating, run.mos),
    "balanced_error": balanced_error,
    "class_accuracy": lambda run: _mean(run.class_right),
    "severity_accuracy": lambda run: _mean(run.severity_right),
    "zoom_rate": lambda run: _mean(run.zoomed),
    "unusable": lambda run: _mean(run.unusable),
}

Drawn = Mapping[str, Floats]
"""By metric: (1 + draws,) values of one run, the first one on all images."""


def drawn(run: Judged, *, n_boot: int, seed: int, entropy: float = math.nan, seconds: float = math.nan) -> Drawn:
    """All figures of one run on all images and on each draw of them. The draws hang on the groups and `seed` alone."""
    statistics = [_OF_IMAGES[metric.key](run) for metric in IMAGE_METRICS]
    size = len(run.ids)
    batches = [np.ones((1, size)), *draws(run.groups, n=size, count=n_boot, seed=seed)]
    values = {
        metric.key: np.concatenate([statistic(weights) for weights in batches])
        for metric, statistic in zip(IMAGE_METRICS, statistics, strict=True)
    }
    count = sum(len(weights) for weights in batches)
    return values | {"entropy": np.full(count, entropy), "seconds": np.full(count, seconds)}


def figure(metric: Metric, runs: Sequence[Drawn], *, seed: int) -> Interval:
    """Mean of a metric over `runs` (one a seed) with its interval; NaN without a run."""
    return _over_seeds(metric, [run[metric.key] for run in runs], seed=seed)


def difference(metric: Metric, pairs: Sequence[tuple[Drawn, Drawn]], *, seed: int) -> Interval:
    """Mean of first less second over `pairs` (one a seed, same seed and same images) with its interval."""
    return _over_seeds(metric, [first[metric.key] - second[metric.key] for first, second in pairs], seed=seed)


def shown(metric: Metric, change: Interval) -> str | None:
    """better or worse (higher or lower where neither is better) if the interval leaves zero out, else None."""
    if not (change.low > 0.0 or change.high < 0.0):
        return None
    up = change.low > 0.0
    return ("higher" if up else "lower") if metric.better == 0 else ("better" if up is (metric.better > 0) else "worse")


def _over_seeds(metric: Metric, values: Sequence[Floats], *, seed: int) -> Interval:
    """Each of `values` (1 + draws,) is one seed's."""
    if not values:
        return UNDEFINED
    table = np.stack(values)
    weights = _seed_weights(len(values), table.shape[1], seed=seed)
    # A seed that was not taken has no say, whatever its figure is.
    means = (np.where(weights > 0.0, table, 0.0) * weights).sum(axis=0)
    nothing_drawn = metric in RUN_METRICS and len(values) == 1
    return interval_of(float(means[0]), np.empty(0) if nothing_drawn else means[1:])


def _seed_weights(seeds: int, count: int, *, seed: int) -> Floats:
    """Weights (seeds, count) that sum to 1 over the seeds; the first column takes each seed once."""
    # The number of seeds is part of the key, so that these draws are not those of the images.
    taken = np.random.default_rng([seed, seeds]).multinomial(seeds, np.full(seeds, 1.0 / seeds), size=count - 1)
    return np.concatenate([np.ones((1, seeds)), taken]).T / seeds


def _mean(values: Floats) -> Weighted:
    """Weighted mean of the `values` (n,) that are not NaN; NaN for a draw without any."""
    known = np.isfinite(values)
    numbers = np.where(known, values, 0.0)

    def mean(weights: Floats) -> Floats:
        total = weights @ known.astype(np.float64)
        return np.where(total > 0.0, (weights @ numbers) / np.where(total > 0.0, total, 1.0), math.nan)

    return mean
