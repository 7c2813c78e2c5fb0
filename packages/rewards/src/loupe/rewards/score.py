"""Score reward: how near the rating is to the mean opinion, both on 1..5.

With e = |rating - target| and t the threshold:

    threshold  1 if e < t else 0          Q-Insight (arXiv 2503.22679), section 3.3, t = 0.35, strict as in its code
    linear     max(0, 1 - e / 2t)         ours
    gaussian   2 ** -(e / t) ** 2         ours

The smooth shapes are worth one half at e = t, so that one threshold means the same error for all three.
"""

from collections.abc import Callable

import numpy as np

from loupe.core.errors import ConfigError
from loupe.rewards.arrays import FloatArray, Numbers, vector


def score_reward(
    ratings: Numbers, targets: Numbers, *, shape: str = "threshold", threshold: float = 0.35
) -> FloatArray:
    """Reward (N,) in 0..1, higher is nearer. A rating or target that is NaN earns 0.

    Raises ConfigError for an unknown shape or a threshold that is not positive, DataError for unequal lengths.
    """
    if shape not in SHAPES:
        raise ConfigError(f"got the score shape {shape!r}; wanted one of {', '.join(SHAPES)}")
    if not threshold > 0.0:
        raise ConfigError(f"got the score threshold {threshold}; wanted a positive error on the 1..5 scale")
    said = vector(ratings, name="ratings")
    error = np.abs(said - vector(targets, name="targets", length=len(said)))
    return np.where(np.isnan(error), 0.0, SHAPES[shape](error, threshold))


def _threshold(error: FloatArray, threshold: float) -> FloatArray:
    return (error < threshold).astype(np.float64)


def _linear(error: FloatArray, threshold: float) -> FloatArray:
    return np.maximum(0.0, 1.0 - error / (2.0 * threshold))


def _gaussian(error: FloatArray, threshold: float) -> FloatArray:
    return np.exp2(-((error / threshold) ** 2))


SHAPES: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "threshold": _threshold,
    "linear": _linear,
    "gaussian": _gaussian,
}
