"""Differences between two runs over pairs of predictions of the same images: agreement, classes and errors.

What nobody was asked is not compared: where one of the runs never gives a rating, or never names a class, there is no
difference to show. Leaves out which predictions belong together; `loupe.bench.compare_runs` pairs them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loupe.bench.correlate import UNDEFINED, Interval, Weighted, paired_difference, weighted_statistic
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import class_hits
from loupe.bench.sets.means import Part, means
from loupe.bench.verdicts import EVERYTHING, expected_rating, verdict_of

STATISTICS = ("srcc", "plcc", "class_accuracy", "mae")
"""Agreement and class accuracy, where more is better, and the mean absolute error of the rating, where less is."""
A, B, NEITHER, UNKNOWN = "a", "b", "neither", "unknown"
_MEANS = ("class_accuracy", "mae")

Pairs = Sequence[tuple[Prediction, Prediction]]
"""What run a and run b made of the same image under the same look."""


def differences(pairs: Pairs, *, n_boot: int, seed: int) -> dict[str, Any]:
    """Counts and figures of one look: `differences` of a less b, and in `better` which run they speak for."""
    found = {name: _difference(pairs, name, n_boot=n_boot, seed=seed) for name in STATISTICS}
    return {
        "n": len(pairs),
        "n_rated": len(_rated(pairs)),
        "n_classes": len(_classed(pairs)),
        "unusable": {"a": _unusable(pairs, 0), "b": _unusable(pairs, 1)},
        "differences": found,
        "better": {name: verdict(interval, statistic=name) for name, interval in found.items()},
    }


def mean_differences(pairs: Mapping[str, Pairs], *, n_boot: int, seed: int) -> dict[str, Any]:
    """Macro and weighted means over the data sets (keys) of every statistic that all of them have."""
    made: dict[str, Any] = {}
    for name in STATISTICS:
        compared = {where: _compared(found, name) for where, found in pairs.items()}
        if not all(compared.values()):
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
    compared = _compared(pairs, statistic)
    if not compared:
        return UNDEFINED
    a, b = _values(compared, statistic)
    groups, plain = [one.group for one, _ in compared], "mean" if statistic in _MEANS else statistic
    return paired_difference(a, b, _labels(compared), statistic=plain, groups=groups, n_boot=n_boot, seed=seed)


def _part(where: str, compared: Pairs, statistic: str) -> Part:
    a, b = _values(compared, statistic)
    groups = [one.group for one, _ in compared]
    if statistic in _MEANS:
        return Part(where, _mean_of(np.subtract(a, b)), groups)
    of_a, of_b = (weighted_statistic(statistic, side, _labels(compared)) for side in (a, b))
    return Part(where, lambda w: of_a(w) - of_b(w), groups)


def _mean_of(values: NDArray[np.float64]) -> Weighted:
    return lambda w: (w @ values) / w.sum(axis=1)


def _compared(pairs: Pairs, statistic: str) -> Pairs:
    return _classed(pairs) if statistic == "class_accuracy" else _rated(pairs)


def _rated(pairs: Pairs) -> Pairs:
    """Those whose image has an opinion; none unless both runs rate at all."""
    rates = all(any(map(_rates, side)) for side in zip(*pairs, strict=True))
    return [pair for pair in pairs if np.isfinite(pair[0].sample.rating)] if rates else []


def _classed(pairs: Pairs) -> Pairs:
    """Those with a class label; none unless both runs name classes at all, for else nobody was asked."""
    names = all(any(map(_names_a_class, side)) for side in zip(*pairs, strict=True))
    return [pair for pair in pairs if pair[0].sample.degradation is not None] if names else []


def _rates(item: Prediction) -> bool:
    return verdict_of(item.episode) is not None


def _names_a_class(item: Prediction) -> bool:
    return any("distortion_class" in turn.answer.said for turn in item.episode.turns)


def _values(compared: Pairs, statistic: str) -> list[list[float]]:
    """One value an item, run a first."""
    if statistic != "class_accuracy":
        return [[_rating(item, statistic) for item in side] for side in zip(*compared, strict=True)]
    return [class_hits(side, asks=_asked(side)) for side in zip(*compared, strict=True)]


def _rating(item: Prediction, statistic: str) -> float:
    rating = expected_rating(verdict_of(item.episode))
    return abs(rating - item.sample.rating) if statistic == "mae" else rating


def _asked(items: Sequence[Prediction]) -> Sequence[str]:
    return EVERYTHING if any(map(_rates, items)) else ("distortion_class",)


def _labels(pairs: Pairs) -> list[float]:
    return [one.sample.rating for one, _ in pairs]


def _unusable(pairs: Pairs, side: int) -> int:
    return sum(pair[side].episode.verdict is None for pair in pairs)
