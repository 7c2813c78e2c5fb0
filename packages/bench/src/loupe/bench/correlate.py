"""How well predictions agree with opinion, with intervals: the figures that every table of this field is made of.

The raw figures come first: PLCC, SRCC, KRCC and RMSE of the predictions as they are. Beside them, and named as fitted
on the test labels, PLCC, SRCC and RMSE after the 4-parameter logistic and after isotonic regression, which much of this
field prints instead. Every figure has a percentile bootstrap interval over items or groups of them.

The draws hold a fitted map as it is, and do not fit it again. Ours, and measured (docs/test-fit.md): fitted again on
each draw, a map gains from the noise of the labels a second time, so that the 95 % interval misses the mean of the
fitted figure too often; with the map held it does not, and it is as wide. How the maps are fitted is left to `fits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from loupe.bench.fits import MAPS
from loupe.bench.intervals import (
    UNDEFINED,
    Floats,
    Interval,
    Weighted,
    drawn,
    draws,
    interval_of,
    mean_interval,
)
from loupe.bench.paired import Comparison, Difference, FittedDifference, compare, paired_difference
from loupe.bench.weighted import MIN_ITEMS, STATISTICS, pair, sound, weighted_statistic

__all__ = [
    "MIN_ITEMS",
    "UNDEFINED",
    "Comparison",
    "Correlations",
    "Difference",
    "Fitted",
    "FittedDifference",
    "Floats",
    "Interval",
    "Weighted",
    "compare",
    "correlations",
    "draws",
    "interval_of",
    "mean_interval",
    "paired_difference",
    "weighted_statistic",
]

FITTED = ("plcc", "srcc", "rmse")
"""What is reported of fitted predictions: KRCC is the raw one where a map keeps the order, and not of use where not."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """Agreement after a rising map was fitted on the test labels: PLCC and SRCC in 0..1 (higher is better), RMSE in
    units of the opinion scale (lower is better). All NaN where there is no such map, and `reason` says why."""

    plcc: Interval
    srcc: Interval
    rmse: Interval
    reason: str = ""


NOT_FITTED = Fitted(UNDEFINED, UNDEFINED, UNDEFINED, "not fitted: it was not asked for")


@dataclass(frozen=True, slots=True)
class Correlations:
    """Agreement of `n` predictions with opinion: PLCC, SRCC and KRCC in -1..1 (higher is better), RMSE in units of the
    opinion scale (lower is better), all raw. `logistic` and `isotonic` are fitted on the test labels."""

    n: int
    plcc: Interval
    srcc: Interval
    krcc: Interval
    rmse: Interval
    logistic: Fitted = NOT_FITTED
    isotonic: Fitted = NOT_FITTED


def correlations(
    predictions: ArrayLike,
    mos: ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    fits: bool = True,
) -> Correlations:
    """Agreement of `predictions` (n,) with `mos` (n,), both on one scale and in one direction.

    `groups` (n,) names what is resampled together, such as the reference image; None resamples items. `fits` is whether
    to fit to the labels as well. Fewer than three items, a constant vector or a number that is not finite make the
    figures NaN, never an exception; the fits have reasons of their own to be NaN (`loupe.bench.fits`).
    Raises ValueError where the lengths differ.
    """
    x, y = pair(predictions, mos)
    maps = {name: fit(x, y) for name, fit in MAPS.items()} if fits else {}
    statistics = {("raw", name): make(x, y) for name, make in STATISTICS.items()} if sound(x, y) else {}
    for kind, found in maps.items():
        if found.values is not None:
            statistics |= {(kind, name): STATISTICS[name](found.values, y) for name in FITTED}
    made = drawn(list(statistics.values()), groups, n=x.size, n_boot=n_boot, seed=seed) if statistics else []
    intervals = {key: interval_of(*item) for key, item in zip(statistics, made, strict=True)}
    raw = [intervals.get(("raw", name), UNDEFINED) for name in STATISTICS]

    def fitted(kind: str) -> Fitted:
        figures = [intervals.get((kind, name), UNDEFINED) for name in FITTED]
        return Fitted(*figures, reason=maps[kind].reason) if fits else NOT_FITTED

    return Correlations(x.size, *raw, logistic=fitted("logistic"), isotonic=fitted("isotonic"))
