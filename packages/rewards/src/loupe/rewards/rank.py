"""Rank reward: does each rating put its image on the right side of the other images of the batch?

VisualQuality-R1 (arXiv 2505.14460), Eq. 1-3. With q_k(i) the rating of sample k of image i, mu and s2 the mean and the
unbiased variance over an image's samples, and Phi the normal distribution function:

    Eq. 1   p_k(i, j) = Phi((q_k(i) - mu(j)) / sqrt(s2(i) + s2(j) + gamma))
    Eq. 2   p(i, j)   = 1, 0.5 or 0 as the opinion of i is above, equal to or below that of j
    Eq. 3   r_k(i)    = mean over j of sqrt(p p_k + epsilon) + sqrt((1 - p)(1 - p_k) + epsilon)

The paper has no epsilon; its code adds 1e-6 inside each root, so that rewards lie in 0.002..1.001 and not in 0..1.
Only the order of opinions counts, so images of several datasets need no common scale as long as pairs stay inside one.

Ours, where paper and code are silent or fail: a rating that is NaN is left out of mean and variance and earns 0 (the
code draws a random one); one rating has variance 0 (the code gets NaN and pays everyone the same in silence); an image
without a partner earns 0, for there is nothing to rank it against.
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from loupe.core.errors import ConfigError, DataError
from loupe.rewards.arrays import FloatArray, Numbers, vector

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def rank_reward(
    ratings: FloatArray,
    mos: Numbers,
    *,
    groups: Sequence[Hashable] | None = None,
    gamma: float = 1e-6,
    epsilon: float = 1e-6,
) -> FloatArray:
    """Fidelity reward (images, samples), higher is better; NaN in `ratings` (images, samples) is an unusable answer.

    `mos` (images,) is higher for a better image, on any scale. `groups` (images,) names what images may be compared
    within, for example the dataset; None compares all. `epsilon=0` gives the formula of the paper. Raises DataError for
    shapes that do not fit or a `mos` that is not finite, ConfigError for gamma <= 0 or epsilon < 0.
    """
    ratings, opinions = _checked(ratings, mos, groups)
    if not gamma > 0.0 or not epsilon >= 0.0:
        raise ConfigError(f"got gamma {gamma} and epsilon {epsilon}; wanted gamma > 0 and epsilon >= 0")
    mean, variance, rated = _moments(ratings)
    spread = np.sqrt(variance[:, None] + variance[None, :] + gamma)
    # Axes: image i, sample k, partner j.
    z = (np.where(np.isnan(ratings), 0.0, ratings)[:, :, None] - mean) / spread[:, None, :]
    better = (0.5 * (1.0 + np.sign(opinions[:, None] - opinions[None, :])))[:, None, :]
    fidelity = np.sqrt(better * _phi(z) + epsilon) + np.sqrt((1.0 - better) * _phi(-z) + epsilon)
    partners = _partners(groups, rated)
    total = np.where(partners[:, None, :], fidelity, 0.0).sum(axis=2)
    reward = total / np.maximum(1, partners.sum(axis=1))[:, None]
    return np.where(np.isnan(ratings), 0.0, reward)


def _checked(ratings: FloatArray, mos: Numbers, groups: Sequence[Hashable] | None) -> tuple[FloatArray, FloatArray]:
    ratings = np.asarray(ratings, dtype=np.float64)
    if ratings.ndim != 2:
        raise DataError(f"got ratings of shape {ratings.shape}; wanted (images, samples)")
    opinions = vector(mos, name="mos", length=len(ratings))
    if not np.isfinite(opinions).all():
        raise DataError(f"got a mos that is not finite for image {int(np.argmin(np.isfinite(opinions)))}; leave it out")
    if np.isinf(ratings).any():
        raise DataError("got an infinite rating; wanted a number, or NaN for an unusable answer")
    if groups is not None and len(groups) != len(ratings):
        raise DataError(f"got {len(groups)} groups for {len(ratings)} images; wanted one each")
    return ratings, opinions


def _moments(ratings: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean and unbiased variance over the usable samples, 0 where there are too few, and how many are usable."""
    usable = ~np.isnan(ratings)
    count = usable.sum(axis=1).astype(np.float64)
    mean = np.where(usable, ratings, 0.0).sum(axis=1) / np.maximum(1.0, count)
    squares = np.where(usable, (ratings - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return mean, squares / np.maximum(1.0, count - 1.0), count


def _partners(groups: Sequence[Hashable] | None, rated: FloatArray) -> NDArray[np.bool_]:
    """(images, images): true where the second image is another one of the same group and has a usable rating."""
    names = [None] * len(rated) if groups is None else list(groups)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    codes = np.array([numbers[name] for name in names], dtype=np.int64)
    same = codes[:, None] == codes[None, :]
    return same & ~np.eye(len(names), dtype=np.bool_) & (rated > 0.0)[None, :]


def _phi(z: FloatArray) -> FloatArray:
    """Normal distribution function; exact in both tails, where 1 - Phi would round to 0."""
    return 0.5 * _erfc(-z / math.sqrt(2.0)) if z.size else np.zeros_like(z)
