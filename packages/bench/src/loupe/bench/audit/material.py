"""What the checks of an audit read: all predictions, arrays made of them, and how intervals are drawn."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loupe.bench.audit.crossed import crossed, less, mean_of
from loupe.bench.audit.parts import Played
from loupe.bench.correlate import Interval, Weighted, weighted_statistic
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import class_hits
from loupe.bench.verdicts import expected_rating, said_class, verdict_of
from loupe.core.records import DISTORTION_CLASSES

Seeds = Sequence[Sequence[Prediction]]
"""Predictions (seeds, images) of one look; the images in one order under every seed."""
Value = Callable[[Prediction], float]
"""A number of one prediction; NaN where it has none."""
Keep = Callable[[Prediction], bool]


@dataclass(frozen=True, slots=True)
class Material:
    """Predictions by set and look, and `understated`: by image, the points by which its overview looks better than it
    is (empty where nobody measured that)."""

    played: Played
    understated: Mapping[str, float]
    n_boot: int = 1000
    seed: int = 0

    def of(self, look: str, images: str = "split", *, keep: Keep = lambda item: True) -> list[list[Prediction]]:
        """Predictions (seeds, images) of a look on those images that `keep` takes. It may read the sample alone, so
        that every look has the same images."""
        return [[item for item in row if keep(item)] for row in self.played.get((images, look), [])]

    def mean(self, runs: Seeds, value: Value) -> Interval:
        """Mean of a number over images and seeds."""
        return self.over(runs, [mean_of([value(item) for item in run]) for run in runs])

    def change(self, first: Seeds, second: Seeds, value: Value) -> Interval:
        """Mean of `first` less `second`, image by image and seed by seed; NaN on one side leaves the image out."""
        pairs = paired(first, second)
        steps = [[value(a) - value(b) for a, b in zip(x, y, strict=True)] for x, y in pairs]
        return self.over([x for x, _ in pairs], [mean_of(row) for row in steps])

    def srcc_change(self, first: Seeds, second: Seeds) -> Interval:
        """SRCC of `first` less that of `second`, both against the label."""
        pairs = paired(first, second)
        return self.over([x for x, _ in pairs], [less(_srcc(x), _srcc(y)) for x, y in pairs])

    def srcc(self, runs: Seeds) -> Interval:
        """SRCC of the expected rating against the label, mean over seeds."""
        return self.over(runs, [_srcc(run) for run in runs])

    def over(self, runs: Seeds, statistics: Sequence[Weighted]) -> Interval:
        """Mean over seeds of `statistics` with an interval over pristine images and seeds."""
        groups = [item.group for item in runs[0]] if runs else []
        return crossed(statistics, groups, n_boot=self.n_boot, seed=self.seed)


def paired(first: Seeds, second: Seeds) -> list[tuple[Sequence[Prediction], Sequence[Prediction]]]:
    """Runs of one seed beside each other; what was played once stands beside every seed of the other."""
    if not first or not second:
        return []
    count = max(len(first), len(second))
    return [(first[k % len(first)], second[k % len(second)]) for k in range(count)]


def images_in(runs: Seeds) -> int:
    """Images of a look."""
    return len(runs[0]) if runs else 0


def rating(item: Prediction) -> float:
    """Expected rating, 1..5; mid-scale where the answer was unusable."""
    return expected_rating(verdict_of(item.episode))


def error(item: Prediction) -> float:
    """Distance of the expected rating from the label, in points; lower is better."""
    return abs(rating(item) - item.sample.rating)


def class_right(item: Prediction) -> float:
    """1 where the class was named rightly, 0 where not; NaN without a labelled class."""
    hits = class_hits([item])
    return hits[0] if hits else math.nan


def says(*names: str) -> Value:
    """1 where one of the classes `names` was named, else 0."""
    return lambda item: float(said_class(verdict_of(item.episode), classes=DISTORTION_CLASSES) in names)


def _srcc(items: Sequence[Prediction]) -> Weighted:
    return weighted_statistic("srcc", [rating(item) for item in items], [item.sample.rating for item in items])
