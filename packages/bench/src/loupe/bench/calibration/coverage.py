"""How often intervals hold the label on images that were not calibrated on, and how wide they are.

Every nonconformity and every way to count references is measured, not the chosen one alone, at several levels. Coverage
is a mean over images with an interval by bootstrap over references. What the promise is about is the mean over new
references; by range of label or rating it is measured and not promised.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.calibration.conformal import (
    BY,
    NONCONFORMITY,
    Floats,
    conformal_quantile,
    interval,
    nonconformity_scores,
    unit_widths,
    weights_by,
)
from loupe.bench.correlate import UNDEFINED, Interval, mean_interval
from loupe.bench.sampled import Judged

LEVELS = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Shares of labels that may be missed, of the reliability plot."""
RANGES = ((1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0))


@dataclass(frozen=True, slots=True)
class Rating:
    """A usable rating (1..5) of an image with an opinion `label`, and the spread of its judgements."""

    label: float
    rating: float
    spread: float | None
    group: str


@dataclass(frozen=True, slots=True)
class Level:
    """Intervals that may miss `alpha`: the quantile in use, the coverage measured, and their mean width in points."""

    nonconformity: str
    by: str
    alpha: float
    quantile: float
    coverage: Interval
    width: float


@dataclass(frozen=True, slots=True)
class Part:
    """Coverage over the `n` images with a label or rating in [low, high), the last range with its end."""

    low: float
    high: float
    n: int
    coverage: Interval
    width: float


def usable(images: Sequence[Judged]) -> list[Rating]:
    """The images that have an opinion and a rating."""
    return [
        Rating(item.label, item.rating, item.spread, item.group)
        for item in images
        if item.rating is not None and math.isfinite(item.label)
    ]


def quantiles(
    calibration: Sequence[Rating], alphas: Sequence[float], *, nonconformity: str, floor: float, by: str, seed: int = 0
) -> dict[float, float]:
    """Quantile of the nonconformity by alpha; infinite where the images are too few."""
    widths = unit_widths([item.spread for item in calibration], nonconformity=nonconformity, floor=floor)
    scores = nonconformity_scores([item.label for item in calibration], [item.rating for item in calibration], widths)
    weights = weights_by([item.group for item in calibration], by=by, seed=seed)
    return {alpha: conformal_quantile(scores, weights, alpha=alpha) for alpha in alphas}


def measure(
    calibration: Sequence[Rating],
    test: Sequence[Rating],
    *,
    alphas: Sequence[float],
    floor: float,
    n_boot: int = 1000,
    seed: int = 0,
) -> list[Level]:
    """A row for each nonconformity, way to count and alpha. The scaled one is left out where nothing was sampled."""
    kinds = NONCONFORMITY if any(item.spread is not None for item in calibration) else NONCONFORMITY[:1]
    rows: list[Level] = []
    for kind in kinds:
        for by in BY:
            found = quantiles(calibration, alphas, nonconformity=kind, floor=floor, by=by, seed=seed)
            for alpha, quantile in found.items():
                hits, widths = holds(test, quantile, nonconformity=kind, floor=floor)
                covered = _mean(hits, test, n_boot=n_boot, seed=seed)
                rows.append(Level(kind, by, alpha, quantile, covered, float(np.mean(widths)) if test else math.nan))
    return rows


def holds(test: Sequence[Rating], quantile: float, *, nonconformity: str, floor: float) -> tuple[Floats, Floats]:
    """By image (n,): 1.0 where its interval holds the label, else 0.0; and the width of the interval in points."""
    units = unit_widths([item.spread for item in test], nonconformity=nonconformity, floor=floor)
    ends = [interval(item.rating, quantile * unit) for item, unit in zip(test, units.tolist(), strict=True)]
    hits = [float(low <= item.label <= high) for item, (low, high) in zip(test, ends, strict=True)]
    return np.array(hits, dtype=np.float64), np.array([high - low for low, high in ends], dtype=np.float64)


def by_range(
    test: Sequence[Rating], hits: Floats, widths: Floats, *, key: str, n_boot: int = 1000, seed: int = 0
) -> list[Part]:
    """Coverage by range of `key`, "label" or "rating", of what `holds` says of the images."""
    values = [float(getattr(item, key)) for item in test]
    parts: list[Part] = []
    for low, high in RANGES:
        last = high == RANGES[-1][1]
        chosen = [at for at, value in enumerate(values) if low <= value < high or (last and value == high)]
        width = float(np.mean(widths[chosen])) if chosen else math.nan
        covered = _mean(hits[chosen], [test[at] for at in chosen], n_boot=n_boot, seed=seed)
        parts.append(Part(low, high, len(chosen), covered, width))
    return parts


def _mean(hits: Floats, test: Sequence[Rating], *, n_boot: int, seed: int) -> Interval:
    if not test:
        return UNDEFINED
    return mean_interval(hits, groups=[item.group for item in test], n_boot=n_boot, seed=seed)


def chosen_level(rows: Sequence[Level], *, nonconformity: str, by: str, alpha: float) -> Level:
    """The row of these settings."""
    wanted: Mapping[str, object] = {"nonconformity": nonconformity, "by": by, "alpha": alpha}
    return next(row for row in rows if all(getattr(row, name) == value for name, value in wanted.items()))
