"""Figures of predictions that have found their labels: agreement with failures at mid-scale and without them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loupe.bench.correlate import Correlations, correlations, weighted_statistic
from loupe.bench.sets.means import Part, means
from loupe.bench.sets.table import KINDS, STATISTICS
from loupe.bench.verdicts import FIRST, LAST, MID_SCALE

Scale = tuple[float, float]
Vectors = tuple[list[float], list[float], list[str]]
"""Scores, labels and groups (n,)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One prediction with its label: `score` is NaN for a failure, `group` what is drawn together."""

    name: str
    score: float
    label: float
    group: str
    dataset: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Scales:
    """Worst and best score and label that could be, None where nobody knows; `turned` says that lower scores are
    better."""

    scores: Scale | None
    labels: Scale | None
    turned: bool = False

    @property
    def known(self) -> bool:
        """Whether an error has a unit."""
        return self.scores is not None and self.labels is not None


def set_figures(items: Sequence[Item], scales: Scales, *, n_boot: int, seed: int) -> dict[str, Any]:
    """Counts and correlations of one data set. RMSE is on 1..5, and null where one of the scales is not known."""
    made: dict[str, Any] = {"n": len(items), "unusable": len(items) - len(_usable(items))}
    for kind in KINDS if made["unusable"] else KINDS[:1]:
        scores, labels, groups = _vectors(_of_kind(items, kind), scales)
        found = correlations(scores, labels, groups=groups, n_boot=n_boot, seed=seed)
        made[kind] = _plain(found, with_rmse=scales.known)
    return {"usable": made["all"], **made}


def set_means(sets: Mapping[str, Sequence[Item]], scales: Scales, *, n_boot: int, seed: int) -> dict[str, Any]:
    """Macro and weighted means over data sets by kind and statistic."""
    statistics = STATISTICS if scales.known else STATISTICS[:-1]
    made: dict[str, Any] = {}
    failed = any(len(_usable(items)) < len(items) for items in sets.values())
    for kind in KINDS if failed else KINDS[:1]:
        vectors = {name: _vectors(_of_kind(items, kind), scales) for name, items in sets.items()}
        made[kind] = {
            statistic: asdict(means(_parts(vectors, statistic), n_boot=n_boot, seed=seed)) for statistic in statistics
        }
    return {"usable": made["all"], **made}


def _parts(vectors: Mapping[str, Vectors], statistic: str) -> list[Part]:
    return [Part(name, weighted_statistic(statistic, x, y), groups) for name, (x, y, groups) in vectors.items()]


def _usable(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if math.isfinite(item.score)]


def _of_kind(items: Sequence[Item], kind: str) -> Sequence[Item]:
    return items if kind == "all" else _usable(items)


def _vectors(items: Sequence[Item], scales: Scales) -> Vectors:
    """On 1..5 where the scale is known, as they are where not. A failure is rated in the middle, which is possible with
    a scale alone."""
    scores = [MID_SCALE if math.isnan(item.score) else _scaled(item.score, scales.scores) for item in items]
    if scales.turned:
        scores = [FIRST + LAST - score if scales.scores is not None else -score for score in scores]
    return scores, [_scaled(item.label, scales.labels) for item in items], [item.group for item in items]


def _scaled(value: float, scale: Scale | None) -> float:
    if scale is None or scale == (FIRST, LAST):
        return value
    low, high = scale
    return FIRST + (LAST - FIRST) * (value - low) / (high - low)


def _plain(found: Correlations, *, with_rmse: bool) -> dict[str, Any]:
    plain = asdict(found)
    if not with_rmse:
        plain["rmse"] = None
    return plain
