"""Figures over images and seeds together, with one interval for both: a two-level bootstrap (ours).

A draw takes pristine images with replacement, each with all that was made of it, and seeds with replacement; its value
is the mean over the drawn seeds of the figure on the drawn images. What was played once has no spread over seeds. Five
seeds say little about that spread: such an interval is too narrow rather than too wide.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from loupe.bench.correlate import UNDEFINED, Floats, Interval, Weighted, draws, interval_of
from loupe.bench.shares import share


def crossed(statistics: Sequence[Weighted], groups: Sequence[str], *, n_boot: int, seed: int) -> Interval:
    """Mean over `statistics` (one a seed, all over the same items) with its 95 % interval.

    `groups` (n,) names the pristine image of each item. NaN without items or seeds.
    """
    if not statistics or not groups:
        return UNDEFINED
    batches = [np.ones((1, len(groups))), *draws(groups, n=len(groups), count=n_boot, seed=seed)]
    table = np.stack([np.concatenate([statistic(weights) for weights in batches]) for statistic in statistics])
    weights = _seed_weights(len(statistics), table.shape[1], seed=seed)
    # A seed that was not taken has no say, whatever its figure is.
    means = (np.where(weights > 0.0, table, 0.0) * weights).sum(axis=0)
    return interval_of(float(means[0]), means[1:])


def mean_of(values: ArrayLike) -> Weighted:
    """Weighted mean of those `values` (n,) that are not NaN; NaN for a draw without any."""
    numbers = np.asarray(values, dtype=np.float64)
    known = np.isfinite(numbers)
    return share(np.where(known, numbers, 0.0), known)


def less(first: Weighted, second: Weighted) -> Weighted:
    """`first` less `second` on the same draw."""
    return lambda w: first(w) - second(w)


def _seed_weights(seeds: int, count: int, *, seed: int) -> Floats:
    """Weights (seeds, count) that sum to 1 over the seeds; the first column takes each seed once."""
    # The number of seeds is part of the key, so that these draws are not those of the images.
    taken = np.random.default_rng([seed, seeds]).multinomial(seeds, np.full(seeds, 1.0 / seeds), size=count - 1)
    return np.concatenate([np.ones((1, seeds)), taken]).T / seeds
