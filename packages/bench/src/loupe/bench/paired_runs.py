"""Differences between two runs over pairs of predictions of the same images: agreement, classes and errors.

What was not asked in both runs is not compared: where one of them was asked for no rating, or for no class, there is no
difference to show. Leaves out which predictions belong together; `loupe.bench.compare_runs` pairs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from loupe.bench.correlate import UNDEFINED, Interval, paired_difference, weighted_statistic
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import class_hits
from loupe.bench.sets.means import Part, means
from loupe.bench.shares import share
from loupe.bench.verdicts import expected_rating, last_word, verdict_of

STATISTICS = ("srcc", "plcc", "class_accuracy", "mae")
"""Agreement and class accuracy, where more is better, and the mean absolute error of the rating, where less is."""
A, B, NEITHER, UNKNOWN = "a", "b", "neither", "unknown"
_MEANS = ("class_accuracy", "mae")


@dataclass(frozen=True, slots=True)
class Pairs:
    """What run a and run b made of the same images under the same look, and the keys that each was asked for."""

    items: Sequence[tuple[Prediction, Prediction]]
    asks: tuple[Sequence[str], Sequence[str]]

    @property
    def rated(self) -> Sequence[tuple[Prediction, Prediction]]:
        """Those whose image has an opinion; none unless both runs were asked for ratings."""
        return [pair for pair in self.items if np.isfinite(pair[0].sample.rating)] if self._both("rating") else []

    @property
    def classed(self) -> Sequence[tuple[Prediction, Prediction]]:
        """Those with a class label; none unless both runs were asked for classes."""
        both = self._both("distortion_class")
        return [pair for pair in self.items if pair[0].sample.degradation is not None] if both else []

    def unusable(self, side: int) -> int:
        """Answers of run a (0) or b (1) without what it was asked for."""
        return sum(last_word(pair[side].episode, asks=self.asks[side]) is None for pair in self.items)

    def of(self, statistic: str) -> "Pairs":
        """Those that the statistic is over."""
        return Pairs(self.classed if statistic == "class_accuracy" else self.rated, self.asks)

    def _both(self, key: str) -> bool:
        return all(key in asked for asked in self.asks)


def differences(pairs: Pairs, *, n_boot: int, seed: int) -> dict[str, Any]:
    """Counts and figures of one look: `differences` of a less b, and in `better` which run they speak for."""
    found = {name: _difference(pairs, name, n_boot=n_boot, seed=seed) for name in STATISTICS}
    return {
        "n": len(pairs.items),
        "n_rated": len(pairs.rated),
        "n_classes": len(pairs.classed),
        "unusable": {"a": pairs.unusable(0), "b": pairs.unusable(1)},
        "differences": found,
        "better": {name: verdict(interval, statistic=name) for name, interval in found.items()},
    }


def mean_differences(pairs: Mapping[str, Pairs], *, n_boot: int, seed: int) -> dict[str, Any]:
    """Macro and weighted means over the data sets (keys) of every statistic that all of them have."""
    made: dict[str, Any] = {}
    for name in STATISTICS:
        compared = {where: found.of(name) for where, found in pairs.items()}
        if not all(found.items for found in compared.values()):
            continue
        parts = [_part(where, found, name) for where, found in compared.items()]
        both = asdict(means(parts, n_boot=n_boot, seed=seed))
        made[name] = {
            kind: {"difference": found, "better": verdict(found, statistic=name)} for kind, found in both.items()
        }
    return made


def verdict(interval: Sequence[float | None], *, statistic: str) -> str:
    """A or B for the run that is better beyond zero, NEITHER where the interval holds zero, UNKNOWN without one."""
    _, low, high = interval
    if low is None or high is None or not np.isfinite([low, high]).all():
        return UNKNOWN
    if low <= 0.0 <= high:
        return NEITHER
    return A if (low > 0.0) != (statistic == "mae") else B


def _difference(pairs: Pairs, statistic: str, *, n_boot: int, seed: int) -> Interval:
    compared = pairs.of(statistic)
    if not compared.items:
        return UNDEFINED
    a, b = _values(compared, statistic)
    groups, plain = [one.group for one, _ in compared.items], "mean" if statistic in _MEANS else statistic
    return paired_difference(a, b, _labels(compared), statistic=plain, groups=groups, n_boot=n_boot, seed=seed)


def _part(where: str, compared: Pairs, statistic: str) -> Part:
    a, b = _values(compared, statistic)
    groups = [one.group for one, _ in compared.items]
    if statistic in _MEANS:
        return Part(where, share(np.subtract(a, b)), groups)
    of_a, of_b = (weighted_statistic(statistic, side, _labels(compared)) for side in (a, b))
    return Part(where, lambda w: of_a(w) - of_b(w), groups)


def _values(compared: Pairs, statistic: str) -> list[list[float]]:
    """One value an item, run a first."""
    sides = zip(*compared.items, strict=True)
    if statistic != "class_accuracy":
        return [[_rating(item, statistic) for item in side] for side in sides]
    return [class_hits(side, asks=asked) for side, asked in zip(sides, compared.asks, strict=True)]


def _rating(item: Prediction, statistic: str) -> float:
    rating = expected_rating(verdict_of(item.episode))
    return abs(rating - item.sample.rating) if statistic == "mae" else rating


def _labels(pairs: Pairs) -> list[float]:
    return [one.sample.rating for one, _ in pairs.items]
