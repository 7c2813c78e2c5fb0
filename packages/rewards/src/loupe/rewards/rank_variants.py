"""How one comparison of a rating with another image is paid: the reward of VisualQuality-R1, and its ablations.

Formulas and sources stand in `loupe.rewards.rank`, which also says which comparisons count. All work on a slice of the
images against the whole batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loupe.rewards.arrays import FloatArray
from loupe.rewards.certain import tied_fidelity, to_certain_fidelity
from loupe.rewards.thurstone import GAMMA, fidelity, thurstone_probability

HUGE = 1e100
"""Size at which a rating is cut off, so that its square is finite: some dialects read numbers of any size."""


@dataclass(frozen=True, slots=True)
class RatedBatch:
    """`ratings` (images, samples) with 0 where none is; over the usable ones `mean`, `variance`, `count` (images,)."""

    ratings: FloatArray
    usable: NDArray[np.bool_]
    mean: FloatArray
    variance: FloatArray
    count: FloatArray


def _thurstone(batch: RatedBatch, part: slice, order: FloatArray, epsilon: float) -> FloatArray:
    spread = np.sqrt(batch.variance[part, None] + batch.variance + GAMMA)
    own = batch.ratings[part, :, None]
    # Made as one piece of memory, whatever the layout of its parts, because it is worked on as a vector below.
    z = np.subtract(own, batch.mean, out=np.empty((*own.shape[:2], len(batch.mean))))
    z *= _side(order) / spread[:, None, :]
    images, others = np.nonzero(order == 0.0)
    ties = z[images, :, others]
    to_certain_fidelity(z.reshape(-1), epsilon)
    if ties.size:
        z[images, :, others] = tied_fidelity(ties, epsilon)
    return z


def _probability_average(batch: RatedBatch, part: slice, order: FloatArray, epsilon: float) -> FloatArray:
    return _average(batch, part, order, variance=batch.variance, epsilon=epsilon)


def _case_v(batch: RatedBatch, part: slice, order: FloatArray, epsilon: float) -> FloatArray:
    return _average(batch, part, order, variance=np.ones_like(batch.variance), epsilon=epsilon)


def _average(batch: RatedBatch, part: slice, order: FloatArray, *, variance: FloatArray, epsilon: float) -> FloatArray:
    side, own = _side(order), batch.ratings[part, :, None]
    total = np.zeros(np.broadcast_shapes(own.shape, side.shape))
    for other, usable in zip(batch.ratings.T, batch.usable.T, strict=True):
        probability = thurstone_probability(side * own, side * other, variance[part, None, None], variance)
        total += np.where(usable, probability, 0.0)
    truth = np.where(order == 0.0, 0.5, 1.0)[:, None, :]
    return fidelity(total / np.maximum(1.0, batch.count), truth, epsilon=epsilon)


def _binary(batch: RatedBatch, part: slice, order: FloatArray, epsilon: float) -> FloatArray:
    return (np.sign(batch.ratings[part, :, None] - batch.mean) == order[:, None, :]).astype(np.float64)


VARIANTS: dict[str, Callable[[RatedBatch, slice, FloatArray, float], FloatArray]] = {
    "thurstone": _thurstone,
    "probability-average": _probability_average,
    "case-v": _case_v,
    "binary": _binary,
}
"""Reward (slice, samples, images) of each comparison, by the name of the variant."""


def _side(order: FloatArray) -> FloatArray:
    """-1 where the other image is the better one: the probability of the true order has no 1 - p to lose digits in."""
    return np.where(order < 0.0, -1.0, 1.0)[:, None, :]


def rated_batch(q: FloatArray, usable: NDArray[np.bool_], min_variance: float) -> RatedBatch:
    """Mean and unbiased variance over the usable samples, 0 where there are too few of them."""
    count, filled = usable.sum(axis=1).astype(np.float64), np.where(usable, np.clip(q, -HUGE, HUGE), 0.0)
    mean = filled.sum(axis=1) / np.maximum(1.0, count)
    squares = np.where(usable, (filled - mean[:, None]) ** 2, 0.0).sum(axis=1)
    variance = np.maximum(squares / np.maximum(1.0, count - 1.0), min_variance)
    return RatedBatch(filled, usable, mean, variance, count)
