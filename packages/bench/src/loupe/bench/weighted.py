"""PLCC, SRCC, KRCC and RMSE written for weights: how often each item was taken in a draw of the bootstrap.

Spearman ranks ties by their mean; Kendall is tau-b and has a file of its own, `kendall`. Nothing here knows of
intervals or of what is fitted. Needs numpy alone.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from loupe.bench.intervals import Floats, Weighted
from loupe.bench.kendall import krcc
from loupe.bench.runs import ratio, runs

MIN_ITEMS = 3
"""Below this many items no agreement is reported: two points always lie on a line."""
_FLAT = 1e-12


def pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Both as vectors (n,) of floats. Raises ValueError where the lengths differ."""
    x, y = (
        np.asarray(a, dtype=np.float64).ravel(),
        np.asarray(b, dtype=np.float64).ravel(),
    )
    if x.size != y.size:
        raise ValueError(f"got {x.size} and {y.size} numbers; wanted one pair an item")
    return x, y


def sound(x: Floats, y: Floats) -> bool:
    """Whether there are enough items, all of them finite, to speak of agreement."""
    return x.size >= MIN_ITEMS and bool(np.isfinite(x).all() and np.isfinite(y).all())


def is_flat(x: Floats) -> bool:
    """Whether `x` (n,) is constant, whatever rounding leaves of it."""
    largest = float(np.abs(x).max())
    return largest == 0.0 or float(np.ptp(x / largest)) <= _FLAT


def standard(x: Floats) -> Floats:
    """`x` (n,) with zero mean and a greatest distance from it of one; all zero for a constant."""
    if is_flat(x):
        return np.zeros_like(x)
    # Divided first, so that no number is too large to be squared.
    centred = x / np.abs(x).max()
    centred -= centred.mean()
    return centred / np.abs(centred).max()


def undefined(w: Floats) -> Floats:
    """The statistic of what has none: NaN for each draw."""
    return np.full(len(w), math.nan)


def weighted_statistic(name: str, predictions: ArrayLike, mos: ArrayLike) -> Weighted:
    """`name` (plcc, srcc, krcc or rmse) of `predictions` (n,) against `mos` (n,) as a function of weights (draws, n).

    NaN for any weights where `correlations` gives NaN. Raises ValueError where the lengths differ, KeyError for a name.
    """
    x, y = pair(predictions, mos)
    return STATISTICS[name](x, y) if sound(x, y) else undefined


def plcc(x: Floats, y: Floats) -> Weighted:
    """Pearson's correlation of `x` and `y`, both (n,)."""
    u, v = standard(x), standard(y)
    return lambda w: _pearson(w, np.broadcast_to(u, w.shape), np.broadcast_to(v, w.shape))


def srcc(x: Floats, y: Floats) -> Weighted:
    """Spearman's: Pearson's of the mid-ranks within the draw."""
    rank_x, rank_y = _ranker(x), _ranker(y)
    return lambda w: _pearson(w, rank_x(w), rank_y(w))


def rmse(x: Floats, y: Floats) -> Weighted:
    """Root of the mean squared difference of `x` and `y`, in their unit."""
    squares = np.square(x - y)
    return lambda w: np.sqrt((w @ squares) / w.sum(axis=1))


STATISTICS: dict[str, Callable[[Floats, Floats], Weighted]] = {
    "plcc": plcc,
    "srcc": srcc,
    "krcc": krcc,
    "rmse": rmse,
}


def _pearson(w: Floats, u: Floats, v: Floats) -> Floats:
    """Correlation of `u` and `v` (draws, n) under the weights `w`; NaN where one of them is constant in the draw."""
    total = w.sum(axis=1, keepdims=True)
    u = u - _dot(w, u)[:, None] / total
    v = v - _dot(w, v)[:, None] / total
    taken_u = w * u
    var_u, var_v, both = _dot(taken_u, u), _dot(w * v, v), _dot(taken_u, v)
    flat = (var_u <= _FLAT * total[:, 0]) | (var_v <= _FLAT * total[:, 0])
    return ratio(both, np.where(flat, 0.0, np.sqrt(var_u * var_v)))


def _dot(a: Floats, b: Floats) -> Floats:
    return np.einsum("dn,dn->d", a, b)


def _ranker(x: Floats) -> Weighted:
    """From weights (draws, n) to the mid-rank of every item among the drawn ones (draws, n), as a share of the draw."""
    order, starts, where = runs(x)

    def ranks(w: Floats) -> Floats:
        tied = np.add.reduceat(w[:, order], starts, axis=1)
        middle = np.cumsum(tied, axis=1) - 0.5 * tied
        return middle[:, where] / w.sum(axis=1, keepdims=True)

    return ranks
