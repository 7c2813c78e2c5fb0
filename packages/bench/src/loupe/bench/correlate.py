"""How well predictions agree with opinion, with intervals: the figures that every table of this field is made of.

Raw figures only, on raw predictions: nothing is fitted to the test labels before it is scored. Each figure comes with a
percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13) whose draws take whole groups, because images made
from one reference image are no independent witnesses. Kendall is tau-b, Spearman ranks ties by their mean.

A draw is a vector of how often each item was taken, and every statistic here is written for such weights. That way
nothing is sorted twice: a thousand draws are a few matrix products. Needs numpy alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Weighted = Callable[[Floats], Floats]
"""From weights (draws, n) to the statistic of each draw (draws,); NaN where it is not defined."""

MIN_ITEMS = 3
"""Below this many items no agreement is reported: two points always lie on a line."""
_CELLS = 2_000_000
_FLAT = 1e-12


class Interval(NamedTuple):
    """A figure with the bounds of its 95 % interval; all NaN where it is not defined."""

    value: float
    low: float
    high: float


UNDEFINED = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Correlations:
    """Agreement of `n` predictions with opinion: PLCC, SRCC and KRCC in -1..1 (higher is better), RMSE in units of the
    opinion scale (lower is better)."""

    n: int
    plcc: Interval
    srcc: Interval
    krcc: Interval
    rmse: Interval


def correlations(
    predictions: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Correlations:
    """Agreement of `predictions` (n,) with `mos` (n,), both on one scale and in one direction.

    `groups` (n,) names what is resampled together, such as the reference image; None resamples items. Fewer than three
    items, a constant vector or a number that is not finite make the figures NaN, never an exception.
    Raises ValueError where the lengths differ.
    """
    x, y = _pair(predictions, mos)
    if not _sound(x, y):
        return Correlations(x.size, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED)
    found = _intervals(
        [make(x, y) for make in _STATISTICS.values()],
        groups,
        n=x.size,
        n_boot=n_boot,
        seed=seed,
    )
    return Correlations(x.size, *found)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    mos: ArrayLike | None,
    *,
    statistic: str = "srcc",
    groups: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Interval:
    """Statistic of `a` less statistic of `b`, both (n,) over the same items, with the interval of the difference.

    Every draw takes the same items for both, so what they share cancels. `statistic` is plcc, srcc, krcc, rmse, or
    "mean" for the difference of two means, which does not look at `mos`. NaN as in `correlations`.
    Raises ValueError for another statistic, or where the lengths differ.
    """
    if statistic == "mean":
        first, second = _pair(a, b)
        return mean_interval(first - second, groups=groups, n_boot=n_boot, seed=seed)
    if statistic not in _STATISTICS or mos is None:
        raise ValueError(f"got statistic {statistic!r}; wanted mean, or one of {', '.join(_STATISTICS)} with mos")
    of_a, of_b = weighted_statistic(statistic, a, mos), weighted_statistic(statistic, b, mos)
    n = _pair(a, b)[0].size
    if n == 0:
        return UNDEFINED
    return _intervals([lambda w: of_a(w) - of_b(w)], groups, n=n, n_boot=n_boot, seed=seed)[0]


def weighted_statistic(name: str, predictions: ArrayLike, mos: ArrayLike) -> Weighted:
    """`name` (plcc, srcc, krcc or rmse) of `predictions` (n,) against `mos` (n,) as a function of weights (draws, n).

    NaN for any weights where `correlations` gives NaN. Raises ValueError where the lengths differ, KeyError for a name.
    """
    x, y = _pair(predictions, mos)
    return _STATISTICS[name](x, y) if _sound(x, y) else lambda w: np.full(len(w), math.nan)


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
    return _intervals([lambda w: (w @ x) / w.sum(axis=1)], groups, n=x.size, n_boot=n_boot, seed=seed)[0]


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    x, y = (
        np.asarray(a, dtype=np.float64).ravel(),
        np.asarray(b, dtype=np.float64).ravel(),
    )
    if x.size != y.size:
        raise ValueError(f"got {x.size} and {y.size} numbers; wanted one pair an item")
    return x, y


def _sound(x: Floats, y: Floats) -> bool:
    return x.size >= MIN_ITEMS and bool(np.isfinite(x).all() and np.isfinite(y).all())


def _intervals(
    statistics: Sequence[Weighted],
    groups: Sequence[str] | None,
    *,
    n: int,
    n_boot: int,
    seed: int,
) -> list[Interval]:
    """The statistics of all `n` items, and their 2.5 % and 97.5 % points over the draws."""
    points = [float(statistic(np.ones((1, n)))[0]) for statistic in statistics]
    parts = [
        [statistic(weights) for statistic in statistics] for weights in draws(groups, n=n, count=n_boot, seed=seed)
    ]
    return [
        interval_of(
            point,
            np.concatenate([part[index] for part in parts]) if parts else np.empty(0),
        )
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


def _plcc(x: Floats, y: Floats) -> Weighted:
    u, v = _standard(x), _standard(y)
    return lambda w: _pearson(w, np.broadcast_to(u, w.shape), np.broadcast_to(v, w.shape))


def _srcc(x: Floats, y: Floats) -> Weighted:
    rank_x, rank_y = _ranker(x), _ranker(y)
    return lambda w: _pearson(w, rank_x(w), rank_y(w))


def _krcc(x: Floats, y: Floats) -> Weighted:
    """tau-b = (concordant - discordant) / sqrt(pairs untied in x * pairs untied in y), over pairs of drawn items.

    The sum over pairs of sign(dx) sign(dy) is a quadratic form in the weights; its matrix is built in blocks of rows.
    """
    ties_x, ties_y = _untied_pairs(x), _untied_pairs(y)
    rows = max(1, _CELLS // x.size)

    def tau(w: Floats) -> Floats:
        counts, agreement = w.astype(np.float32), np.zeros(len(w))
        for at in (slice(start, start + rows) for start in range(0, x.size, rows)):
            signs = _signs(x[at], x) * _signs(y[at], y)
            agreement += (w[:, at] * (counts @ signs.T)).sum(axis=1)
        return _ratio(agreement, np.sqrt(ties_x(w) * ties_y(w)))

    return tau


def _rmse(x: Floats, y: Floats) -> Weighted:
    squares = np.square(x - y)
    return lambda w: np.sqrt((w @ squares) / w.sum(axis=1))


_STATISTICS: dict[str, Callable[[Floats, Floats], Weighted]] = {
    "plcc": _plcc,
    "srcc": _srcc,
    "krcc": _krcc,
    "rmse": _rmse,
}


def _standard(x: Floats) -> Floats:
    """Zero mean, unit spread; all zero for a constant, whatever rounding leaves of it."""
    if float(np.ptp(x)) <= _FLAT * float(np.abs(x).max()):
        return np.zeros_like(x)
    centred = x - x.mean()
    return centred / np.abs(centred).max()


def _pearson(w: Floats, u: Floats, v: Floats) -> Floats:
    """Correlation of `u` and `v` (draws, n) under the weights `w`; NaN where one of them is constant in the draw."""
    total = w.sum(axis=1, keepdims=True)
    u = u - (w * u).sum(axis=1, keepdims=True) / total
    v = v - (w * v).sum(axis=1, keepdims=True) / total
    var_u, var_v, both = ((w * product).sum(axis=1) for product in (u * u, v * v, u * v))
    flat = (var_u <= _FLAT * total[:, 0]) | (var_v <= _FLAT * total[:, 0])
    return _ratio(both, np.where(flat, 0.0, np.sqrt(var_u * var_v)))


def _ranker(x: Floats) -> Weighted:
    """From weights (draws, n) to the mid-rank of every item among the drawn ones (draws, n), as a share of the draw."""
    order, starts, where = _runs(x)

    def ranks(w: Floats) -> Floats:
        tied = np.add.reduceat(w[:, order], starts, axis=1)
        middle = np.cumsum(tied, axis=1) - 0.5 * tied
        return middle[:, where] / w.sum(axis=1, keepdims=True)

    return ranks


def _untied_pairs(x: Floats) -> Weighted:
    order, starts, _ = _runs(x)
    return lambda w: np.square(w.sum(axis=1)) - np.square(np.add.reduceat(w[:, order], starts, axis=1)).sum(axis=1)


def _runs(x: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Sorting order of `x`, where each run of equal values starts in it, and the run of every item."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    return np.argsort(x, kind="stable"), np.cumsum(counts) - counts, where.ravel()


def _signs(a: Floats, b: Floats) -> NDArray[np.float32]:
    return np.sign(a[:, None] - b[None, :]).astype(np.float32)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Quotient clipped to -1..1 against rounding; NaN where the divisor is zero."""
    safe = np.where(bottom > 0.0, bottom, 1.0)
    return np.where(bottom > 0.0, np.clip(top / safe, -1.0, 1.0), math.nan)
