"""The rated rows of one data set of a folder as arrays: what checks of labels look at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loupe.core.records import Sample

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Rated:
    """Rows of one data set, all splits. `rows` are those that somebody rated; arrays are in their order, `stds` NaN
    where it is unknown.

    `low`, `high` and `higher_is_better` are the declared scale: the commonest, where rows do not agree (`scales`
    counts them).
    """

    dataset: str
    samples: tuple[Sample, ...]
    rows: tuple[Sample, ...]
    mos: Numbers
    ratings: Numbers
    stds: Numbers
    low: float
    high: float
    higher_is_better: bool
    scales: int

    @property
    def width(self) -> float:
        """Length of the declared scale."""
        return self.high - self.low


def by_dataset(samples: Sequence[Sample]) -> list[Rated]:
    """The rows of each data set, by its name."""
    names = sorted({sample.dataset for sample in samples})
    return [_rated(name, [sample for sample in samples if sample.dataset == name]) for name in names]


def _rated(name: str, samples: Sequence[Sample]) -> Rated:
    rows = [sample for sample in samples if np.isfinite(sample.mos) and np.isfinite(sample.rating)]
    scales = Counter((s.scale_min, s.scale_max, s.higher_is_better) for s in samples)
    low, high, better = max(sorted(scales), key=lambda scale: scales[scale])
    stds = [np.nan if sample.mos_std is None else sample.mos_std for sample in rows]
    mos, ratings = _array(sample.mos for sample in rows), _array(sample.rating for sample in rows)
    return Rated(name, tuple(samples), tuple(rows), mos, ratings, _array(stds), low, high, better, len(scales))


def _array(values: Iterable[float]) -> Numbers:
    return np.array(list(values), np.float64)
