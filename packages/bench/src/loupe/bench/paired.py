"""What one predictor has over another on the same items, with the interval of the difference.

Every draw of the bootstrap takes the same items for both, so what they share cancels; intervals of two figures that
overlap say little. A map that is fitted on the labels is fitted once for each predictor and held in the draws, as in
`correlate`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loupe.bench.fits import MAPS, Map
from loupe.bench.intervals import UNDEFINED, Drawn, Interval, Weighted, drawn, interval_of, mean_interval
from loupe.bench.weighted import STATISTICS, pair, weighted_statistic


class Difference(NamedTuple):
    """A figure of one predictor less that of another with the bounds of its 95 % interval, and the share of the draws
    in which the first one's was above the other's (ties count half); all NaN where it is not defined."""

    value: float
    low: float
    high: float
    above: float


@dataclass(frozen=True, slots=True)
class FittedDifference:
    """Differences after each predictor had a map of its own fitted on the test labels; NaN where one of them has none,
    and `reason` says why."""

    plcc: Difference
    srcc: Difference
    rmse: Difference
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of one predictor less those of another on the same `n` items. Above zero favours the first one in PLCC,
    SRCC and KRCC, below zero in RMSE. `logistic` and `isotonic` are fitted on the test labels."""

    n: int
    plcc: Difference
    srcc: Difference
    krcc: Difference
    rmse: Difference
    logistic: FittedDifference
    isotonic: FittedDifference


def compare(
    a: ArrayLike,
    b: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Comparison:
    """All figures of `a` less those of `b`, both (n,) over the items of `mos` (n,), from one set of draws.

    Each difference is that of `paired_difference` on the predictions, raw or mapped. NaN as in `correlations`.
    Raises ValueError where the lengths differ.
    """
    n = pair(a, b)[0].size
    pairs: dict[str, tuple[ArrayLike, ArrayLike]] = {"raw": (a, b)}
    maps = {kind: (fit(a, mos), fit(b, mos)) for kind, fit in MAPS.items()}
    for kind, (of_a, of_b) in maps.items():
        if of_a.values is not None and of_b.values is not None:
            pairs[kind] = (of_a.values, of_b.values)
    wanted = [(kind, name) for kind in pairs for name in (STATISTICS if kind == "raw" else _FITTED)] if n else []
    statistics = {(kind, name): _difference(name, *pairs[kind], mos) for kind, name in wanted}
    made = drawn(list(statistics.values()), groups, n=n, n_boot=n_boot, seed=seed) if n else []
    found = {key: _summary(item) for key, item in zip(statistics, made, strict=True)}

    def fitted(kind: str) -> FittedDifference:
        return FittedDifference(*(found.get((kind, name), _NONE) for name in _FITTED), reason=_reason(*maps[kind]))

    raw = [found.get(("raw", name), _NONE) for name in STATISTICS]
    return Comparison(n, *raw, logistic=fitted("logistic"), isotonic=fitted("isotonic"))


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
        first, second = pair(a, b)
        return mean_interval(first - second, groups=groups, n_boot=n_boot, seed=seed)
    if statistic not in STATISTICS or mos is None:
        raise ValueError(f"got statistic {statistic!r}; wanted mean, or one of {', '.join(STATISTICS)} with mos")
    difference, n = _difference(statistic, a, b, mos), pair(a, b)[0].size
    if n == 0:
        return UNDEFINED
    return interval_of(*drawn([difference], groups, n=n, n_boot=n_boot, seed=seed)[0])


_FITTED = ("plcc", "srcc", "rmse")
_NONE = Difference(*UNDEFINED, math.nan)


def _difference(name: str, a: ArrayLike, b: ArrayLike, mos: ArrayLike) -> Weighted:
    of_a, of_b = weighted_statistic(name, a, mos), weighted_statistic(name, b, mos)
    return lambda w: of_a(w) - of_b(w)


def _summary(found: Drawn) -> Difference:
    interval = interval_of(*found)
    if math.isnan(interval.low):
        return Difference(*interval, math.nan)
    defined = found.values[np.isfinite(found.values)]
    return Difference(*interval, 0.5 + 0.5 * float(np.sign(defined).mean()))


def _reason(of_a: Map, of_b: Map) -> str:
    """Why one of the two has no map, or nothing."""
    told = [f"{which}: {found.reason}" for which, found in (("first", of_a), ("second", of_b)) if found.reason]
    return "; ".join(told)
