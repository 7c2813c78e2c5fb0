"""Shares of a whole with intervals, for tables of accuracies: per class, averaged over classes, over all.

A share is a function of weights, as every statistic of `loupe.bench.weighted`, so that figures which are averages of
shares (the macro mean) get their interval from the same draws as the shares themselves.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from loupe.bench.intervals import UNDEFINED, Interval, Weighted, drawn, interval_of
from loupe.bench.runs import quotient


def share(hits: ArrayLike, among: ArrayLike | None = None) -> Weighted:
    """Weighted mean of `hits` (n,) over the items where `among` (n,) is true, None for all of them.

    NaN in a draw that took none of those.
    """
    values = np.asarray(hits, dtype=np.float64).ravel()
    taken = np.ones_like(values) if among is None else np.asarray(among, dtype=np.float64).ravel()
    return lambda w: quotient(w @ (values * taken), w @ taken)


def mean_of(shares: Sequence[Weighted]) -> Weighted:
    """Plain mean of several shares; NaN in a draw where one of them is, and where there are none."""
    if not shares:
        return lambda w: np.full(len(w), math.nan)
    return lambda w: np.mean([one(w) for one in shares], axis=0)


def with_intervals(
    statistics: Mapping[str, Weighted], *, groups: Sequence[str], n_boot: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Each statistic of all items with its 95 % interval over the same draws of whole groups; `groups` (n,)."""
    if not groups:
        return dict.fromkeys(statistics, UNDEFINED)
    found = drawn(list(statistics.values()), groups, n=len(groups), n_boot=n_boot, seed=seed)
    return {name: interval_of(*one) for name, one in zip(statistics, found, strict=True)}
