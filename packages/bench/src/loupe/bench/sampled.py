"""What several judgements of an image are worth: the agreement of their mean beside that of the first one, and whether
their spread says how far off the mean is.

The rating of an image is the mean of its usable attempts' expected ratings, as `loupe assess` gives it; an image
without a usable attempt is rated mid-scale, as everywhere. The first attempt is one of those averaged. All of it is
ours; that averaging helps is what Q-Insight and VisualQuality-R1 leave to the reader.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.correlate import (
    UNDEFINED,
    Correlations,
    Interval,
    correlations,
    draws,
    interval_of,
    mean_interval,
    paired_difference,
    weighted_statistic,
)
from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import MID_SCALE, expected_rating, verdict_of


@dataclass(frozen=True, slots=True)
class Judged:
    """All attempts at one image under one look. `ratings` are the expected ratings of the usable ones, 1..5, in the
    order of the attempts; `first` is that of the first attempt, mid-scale where it is unusable."""

    id: str
    group: str
    label: float
    first: float
    ratings: tuple[float, ...]
    attempts: int

    @property
    def rating(self) -> float | None:
        """Mean of the usable attempts; None without any."""
        return sum(self.ratings) / len(self.ratings) if self.ratings else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the usable attempts (n - 1 below); None below two."""
        return float(np.std(self.ratings, ddof=1)) if len(self.ratings) > 1 else None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Figures of one look over the `n` rated images that were judged `samples` times each.

    `unusable` attempts are left out of the means; `unrated` images have no usable attempt and count as mid-scale.
    `first` and `mean` are the agreement of the first attempt and of the mean, `gain_*` is mean less first on the same
    images (above zero is in favour of the mean). `spread` is the mean within-image standard deviation in rating points,
    `spread_error` the Spearman correlation between spread and absolute error of the mean: both over the `n_spread`
    images with two usable attempts.
    """

    n: int
    samples: int
    unusable: int
    unrated: int
    first: Correlations
    mean: Correlations
    gain_srcc: Interval
    gain_plcc: Interval
    n_spread: int
    spread: Interval
    spread_error: Interval


def judged_images(attempts: Sequence[Prediction]) -> list[Judged]:
    """Attempts of one look gathered by image, in the order of the images."""
    by_image: dict[str, list[Prediction]] = {}
    for item in attempts:
        by_image.setdefault(item.sample.id, []).append(item)
    return [_judged(sorted(items, key=lambda item: item.attempt)) for items in by_image.values()]


def sampled_by_look(attempts: Sequence[Prediction], *, n_boot: int = 1000, seed: int = 0) -> dict[str, Sampled]:
    """Figures of every look that has several attempts at an image; {} where there is none."""
    looks = dict.fromkeys(item.look for item in attempts if item.attempt > 0)
    return {
        look: sampled(judged_images([item for item in attempts if item.look == look]), n_boot=n_boot, seed=seed)
        for look in looks
    }


def sampled(images: Sequence[Judged], *, n_boot: int = 1000, seed: int = 0) -> Sampled:
    """Figures over the images that somebody rated, with intervals over whole references."""
    rated = [item for item in images if math.isfinite(item.label)]
    labels, groups = [item.label for item in rated], [item.group for item in rated]
    first = [item.first for item in rated]
    means = [MID_SCALE if item.rating is None else item.rating for item in rated]

    def agreement(ratings: Sequence[float]) -> Correlations:
        return correlations(ratings, labels, groups=groups, n_boot=n_boot, seed=seed)

    def gain(statistic: str) -> Interval:
        return paired_difference(means, first, labels, statistic=statistic, groups=groups, n_boot=n_boot, seed=seed)

    spread, spread_error, n_spread = _spread(rated, n_boot=n_boot, seed=seed)
    return Sampled(
        n=len(rated),
        samples=max((item.attempts for item in rated), default=0),
        unusable=sum(item.attempts - len(item.ratings) for item in rated),
        unrated=sum(item.rating is None for item in rated),
        first=agreement(first),
        mean=agreement(means),
        gain_srcc=gain("srcc"),
        gain_plcc=gain("plcc"),
        n_spread=n_spread,
        spread=spread,
        spread_error=spread_error,
    )


def _judged(items: Sequence[Prediction]) -> Judged:
    turns = [verdict_of(item.episode) for item in items]
    head = items[0]
    return Judged(
        id=head.sample.id,
        group=head.group,
        label=head.sample.rating,
        first=expected_rating(turns[0]),
        ratings=tuple(expected_rating(turn) for turn in turns if turn is not None),
        attempts=len(items),
    )


def _spread(rated: Sequence[Judged], *, n_boot: int, seed: int) -> tuple[Interval, Interval, int]:
    """Mean spread, its rank correlation with the absolute error, and the images that have one."""
    rows = [
        (item.spread, abs(item.rating - item.label), item.group)
        for item in rated
        if item.spread is not None and item.rating is not None
    ]
    if not rows:
        return UNDEFINED, UNDEFINED, 0
    spreads, errors, groups = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    correlation = weighted_statistic("srcc", spreads, errors)
    point = float(correlation(np.ones((1, len(rows))))[0])
    parts = [correlation(weights) for weights in draws(groups, n=len(rows), count=n_boot, seed=seed)]
    found = interval_of(point, np.concatenate(parts) if parts else np.empty(0))
    return mean_interval(spreads, groups=groups, n_boot=n_boot, seed=seed), found, len(rows)
