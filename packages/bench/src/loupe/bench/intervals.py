"""Percentile bootstrap intervals whose draws take whole groups, for every figure that bench reports.

A percentile interval (Efron and Tibshirani 1993, chapter 13) of images made from one reference image has to draw them
together, for they are no independent witnesses. A draw is a vector of how often each item was taken, and a statistic is
a function of such weights: that way nothing is sorted twice, and a thousand draws are a few matrix products. What is
computed of the weights is in `weighted`. Needs numpy alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
"""From weights (draws, n) to the statistic of each draw (draws,); NaN where it is not defined."""

_CELLS = 2_000_000


class Interval(NamedTuple):
    """A figure with the bounds of its 95 % interval; all NaN where it is not defined."""

    value: float
    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan, math.nan)


class Drawn(NamedTuple):
    """A statistic of all items, and of each draw (draws,)."""

    point: float
    values: Floats


def mean_interval(
    values: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean of `values` (n,) with its interval; NaN where there is no value or one that is not finite."""
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size == 0 or not np.isfinite(x).all():
        return UNDEFINED
    found = drawn([lambda w: (w @ x) / w.sum(axis=1)], groups, n=x.size, n_boot=n_boot, seed=seed)
    return interval_of(*found[0])


def drawn(
    statistics: Sequence[Weighted],
    groups: Sequence[str] | None,
    *,
    n: int,
    n_boot: int,
    seed: int,
) -> list[Drawn]:
    """Each of the statistics over all `n` items, and over the same draws of them."""
    points = [float(statistic(np.ones((1, n)))[0]) for statistic in statistics]
    parts = [
        [statistic(weights) for statistic in statistics] for weights in draws(groups, n=n, count=n_boot, seed=seed)
    ]
    return [
        Drawn(point, np.concatenate([part[index] for part in parts]) if parts else np.empty(0))
        for index, point in enumerate(points)
    ]


def interval_of(point: float, values: Floats) -> Interval:
    """`point` with the 2.5 % and 97.5 % points of its `values` (draws,).

    A figure that half of the draws cannot give has no interval worth printing: NaN bounds.
    """
    defined = values[np.isfinite(values)]
    if math.isnan(point) or 2 * defined.size <= values.size:
        return Interval(point, math.nan, math.nan)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(point, float(low), float(high))


def draws(groups: Sequence[str] | None, *, n: int, count: int, seed: int) -> Iterator[Floats]:
    """Weights (draws, n) in batches of bounded memory, `count` draws in all: how often each item was taken.

    No draws at all where there is one group only. Raises ValueError where `groups` (n,) are not one an item.
    """
    names = np.arange(n) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1].ravel()
    if names.size != n:
        raise ValueError(f"got {names.size} groups for {n} items; wanted one an item")
    kinds = int(names.max()) + 1
    if kinds < 2:
        # A draw of the only group is the whole again: it would claim an interval of no width.
        return
    rng = np.random.default_rng(seed)
    batch = max(1, _CELLS // n)
    for start in range(0, count, batch):
        taken = rng.multinomial(kinds, np.full(kinds, 1.0 / kinds), size=min(batch, count - start))
        yield taken[:, names].astype(np.float64)
