"""Means of one statistic over several data sets, with intervals: macro, where every set counts the same, and weighted,
where a set counts by its images.

Reasoning-IQA papers print the macro mean and LIQE and UNIQUE the weighted one, so both stand here under their names.
Each set is drawn on its own and for itself, because its images have nothing to do with those of another set; a draw of
the mean is the mean of one draw of every set. A mean leaves out no set: where a set has no figure, neither has it.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.intervals import Drawn, Floats, Interval, Weighted, drawn, interval_of


@dataclass(frozen=True, slots=True)
class Part:
    """A statistic of one data set of `n` items: `statistic` maps weights (draws, n) to its values (draws,), and
    `groups` (n,) names what is drawn together."""

    name: str
    statistic: Weighted
    groups: Sequence[str]

    @property
    def n(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, slots=True)
class Means:
    """The two means over data sets, in the unit of the statistic."""

    macro: Interval
    weighted: Interval


def means(parts: Sequence[Part], *, n_boot: int = 1000, seed: int = 0) -> Means:
    """Macro and weighted mean of the statistic over `parts`, with 95 % percentile intervals.

    NaN where a part has no figure; no interval where a part has no draws, as with one group alone. What is drawn of a
    part depends on its name and the seed, and not on what else is there. Raises ValueError without parts.
    """
    if not parts:
        raise ValueError("got no data sets; wanted one at least")
    made = [_drawn(part, n_boot=n_boot, seed=seed) for part in parts]
    sizes = np.array([part.n for part in parts], dtype=np.float64)
    return Means(_mean(made, np.ones(len(parts))), _mean(made, sizes))


def _drawn(part: Part, *, n_boot: int, seed: int) -> Drawn:
    """The statistic of a part, and its values over the draws; no values where it has none."""
    if part.n == 0:
        return Drawn(math.nan, np.empty(0))
    return drawn([part.statistic], part.groups, n=part.n, n_boot=n_boot, seed=own_seed(part.name, seed))[0]


def own_seed(name: str, seed: int) -> int:
    """A seed of its own for every name, so that equal sets under two names are drawn independently."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


def _mean(made: Sequence[Drawn], weights: Floats) -> Interval:
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), math.nan)
    point = float(shares @ np.array([part.point for part in made]))
    if not all(part.values.size for part in made):
        return Interval(point, math.nan, math.nan)
    return interval_of(point, shares @ np.stack([part.values for part in made]))
