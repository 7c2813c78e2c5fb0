"""Score reward: how near the rating is to the mean opinion, both on 1..5.

With e = |rating - target|:

    threshold  1 if e < epsilon else 0     Q-Insight (arXiv 2503.22679), section 3.3, epsilon = 0.35
    linear     max(0, 1 - e / 4)           ours; 4 is the range of the scale, epsilon plays no part
    gaussian   2 ** -(e / epsilon) ** 2    ours; one half at e = epsilon

Q-Insight's code wants e to be less than epsilon, so that epsilon = 0 never pays, although its paper calls that an exact
match; `strict=False` pays e = epsilon too. At e = 0.35 as written with two decimals rounding decides, here as there:
4.35 for 4.00 is paid and 3.85 for 3.50 is not.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from loupe.core.errors import ConfigError
from loupe.rewards.arrays import FloatArray, numbers

FIRST, LAST = 1.0, 5.0
"""Ends of the rating scale."""
RANGE = LAST - FIRST


def score_reward(
    rating: ArrayLike, target: ArrayLike, *, kind: str = "threshold", epsilon: float = 0.35, strict: bool = True
) -> FloatArray:
    """Reward in 0..1, higher is nearer; rating and target are numbers or arrays that broadcast.

    A rating or target that is None or NaN earns 0. `strict` belongs to the kind threshold. Raises ConfigError for an
    unknown kind, a negative epsilon, or an epsilon of 0 where it is divided by (gaussian).
    """
    if kind not in KINDS:
        raise ConfigError(f"got the kind of score reward {kind!r}; wanted one of {', '.join(KINDS)}")
    if not epsilon >= 0.0 or (kind == "gaussian" and epsilon == 0.0):
        raise ConfigError(
            f"got epsilon {epsilon} for the {kind} score reward; wanted a positive error on the 1..5 scale"
        )
    error = np.abs(numbers(rating, name="ratings") - numbers(target, name="targets"))
    return np.where(np.isnan(error), 0.0, KINDS[kind](error, epsilon, strict))[()]


def _threshold(error: FloatArray, epsilon: float, strict: bool) -> FloatArray:
    return (error < epsilon if strict else error <= epsilon).astype(np.float64)


def _linear(error: FloatArray, epsilon: float, strict: bool) -> FloatArray:
    return np.maximum(0.0, 1.0 - error / RANGE)


def _gaussian(error: FloatArray, epsilon: float, strict: bool) -> FloatArray:
    return np.exp2(-((error / epsilon) ** 2))


KINDS: dict[str, Callable[[FloatArray, float, bool], FloatArray]] = {
    "threshold": _threshold,
    "linear": _linear,
    "gaussian": _gaussian,
}
