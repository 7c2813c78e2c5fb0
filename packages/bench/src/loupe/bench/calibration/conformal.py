"""Split conformal prediction: how wide an interval around a rating must be to hold the label so often.

Vovk, Gammerman and Shafer (2005); Lei et al. (2018) for regression. What was off on labelled images that the agent was
not made with says how far off it will be on the next one: with n scores, the ceil((n + 1)(1 - alpha))-th smallest
covers a new label with probability 1 - alpha or more, whatever the agent, if all images are exchangeable.

Versions of one pristine image are not exchangeable with those of another: they fail together. So a reference counts
as one (`by="reference"`): each of its m images weighs 1 / ((K + 1) m) among K references, which holds the promise for a
new image of a new reference (hierarchical conformal prediction, Lee, Barber and Willett 2023). `by="one"` draws one
image of each reference, which does too and wastes the others (Dunn, Wasserman and Ramdas 2022); `by="image"` takes all
images for independent. With one image a reference all three are the same. Needs numpy alone.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BY = ("reference", "image", "one")
NONCONFORMITY = ("absolute", "scaled")
UNKNOWN_SPREAD = 1.0
"""Spread in rating points of an image with a single usable judgement: nobody knows it, so it is taken for large."""
_LOWEST, _HIGHEST = 1.0, 5.0
_ROUNDING = 1e-9


def unit_widths(spreads: Sequence[float | None], *, nonconformity: str, floor: float) -> Floats:
    """By image (n,), what a nonconformity of 1 is in rating points: 1 for "absolute"; for "scaled" the spread of its
    judgements and `floor` more, without which an agent that says the same thing twice would seem infallible (ours)."""
    if nonconformity == "absolute":
        return np.ones(len(spreads))
    return np.array([floor + (UNKNOWN_SPREAD if spread is None else spread) for spread in spreads], dtype=np.float64)


def nonconformity_scores(labels: ArrayLike, ratings: ArrayLike, widths: Floats) -> Floats:
    """|label - rating| in units of `widths`, all (n,); 0 for a rating that is right."""
    return np.abs(np.asarray(labels, dtype=np.float64) - np.asarray(ratings, dtype=np.float64)) / widths


def weights_by(groups: Sequence[str], *, by: str, seed: int = 0) -> Floats:
    """Weights (n,) of calibration images whose references are `groups` (n,); what they lack of 1 is the next image's.

    `seed` draws for "one" alone. Raises ValueError for another `by`.
    """
    names, where, counts = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    if by == "image":
        return np.full(len(groups), 1.0 / (len(groups) + 1))
    if by == "reference":
        return 1.0 / ((len(names) + 1) * counts[where.ravel()])
    if by == "one":
        rng = np.random.default_rng(seed)
        weights = np.zeros(len(groups))
        for name in range(len(names)):
            weights[rng.choice(np.flatnonzero(where.ravel() == name))] = 1.0 / (len(names) + 1)
        return weights
    raise ValueError(f"got by={by!r}; wanted one of {', '.join(BY)}")


def conformal_quantile(scores: ArrayLike, weights: Floats, *, alpha: float) -> float:
    """The least score at or below which 1 - `alpha` of all weight lies, that of the next image counted as infinite.

    With weights of 1 / (n + 1) this is the ceil((n + 1)(1 - alpha))-th smallest score. Infinite where the calibration
    images are too few for such an `alpha`.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    # Without the allowance a sum of n equal parts may fall short of the level that it meets exactly.
    enough = np.flatnonzero(reached >= 1.0 - alpha - _ROUNDING)
    return float(values[order[enough[0]]]) if enough.size else math.inf


def interval(rating: float, width: float) -> tuple[float, float]:
    """The rating give or take `width`, cut to 1..5, where every label lies: cutting costs no coverage."""
    return max(_LOWEST, rating - width), min(_HIGHEST, rating + width)


def least_units(alpha: float) -> int:
    """References (or images) that a finite interval at this level takes."""
    return math.ceil((1.0 - alpha) / alpha - _ROUNDING)
