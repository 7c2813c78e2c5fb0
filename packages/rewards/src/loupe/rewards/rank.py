"""Rank reward: does each rating put its image on the right side of the other images of the batch?

VisualQuality-R1 (arXiv 2505.14460), Eq. 1-3. With q_k(i) the rating of sample k of image i, mu and s2 the mean and the
unbiased variance over an image's samples, and Phi the normal distribution function:

    Eq. 1   p_k(i, j) = Phi((q_k(i) - mu(j)) / sqrt(s2(i) + s2(j) + gamma))
    Eq. 2   p(i, j)   = 1, 0.5 or 0 as the opinion of i is above, equal to or below that of j
    Eq. 3   r_k(i)    = mean over j of sqrt(p p_k + epsilon) + sqrt((1 - p)(1 - p_k) + epsilon)

The paper has no epsilon; its code adds 1e-6 inside each root, so that rewards lie in 0.002..1.001 and not in 0..1.
Only the order of opinions counts, so images of several datasets need no common scale as long as pairs stay inside one.

Variants, from the ablation of the paper (its code has none of them): `probability-average` is Eq. 7, p_k(i, j) as the
mean over the samples k' of j of Phi((q_k(i) - q_k'(j)) / sqrt(s2(i) + s2(j) + gamma)); `case-v` is Eq. 7 with both
variances one, Thurstone's Case V; `binary` pays 1 where the rating stands to the mean of the other image (above, equal,
below) as the opinions stand, else 0. The paper gives no formula for its binary reward; this one is ours.

Ours, where paper and code are silent or fail: a missing rating is left out of mean and variance and earns 0 (the code
draws a random one); one rating has variance 0 (the code gets NaN and pays everyone the same in silence); an image
without a partner earns 0, for there is nothing to rank it against; `min_variance` keeps a gap of 0.01 between two
groups that agree with themselves from counting as certainty (0, off, as in paper and code).
"""

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loupe.core.errors import ConfigError, DataError
from loupe.rewards.arrays import FloatArray, numbers, vector
from loupe.rewards.rank_variants import VARIANTS, rated_batch
from loupe.rewards.thurstone import fidelity, thurstone_probability

__all__ = ["fidelity", "rank_reward", "thurstone_probability"]

MISSING = ("exclude", "refuse")
_CELLS = 1 << 16
"""Comparisons (image, sample, partner) in hand at once: half a megabyte of numbers."""


def rank_reward(
    ratings: ArrayLike,
    mos: ArrayLike,
    *,
    variant: str = "thurstone",
    groups: Sequence[Hashable] | None = None,
    epsilon: float = 1e-6,
    missing: str = "exclude",
    min_variance: float = 0.0,
) -> FloatArray:
    """Reward (images, samples), higher is better, of `ratings` (images, samples); NaN or None is an unusable answer.

    `mos` (images,) is higher for a better image, on any scale. `groups` (images,) names what images may be compared
    within, for example the dataset; None compares all. `epsilon=0` gives the formula of the paper. `missing="refuse"`
    raises where a rating is missing. B images make B^2 pairs; they are visited in slices of 65536 comparisons or of one
    image, whichever is more, so that memory grows with B and not with its square. Raises DataError for shapes that do
    not fit, a `mos` or a rating that is not finite; ConfigError for a setting that is none.
    """
    q, opinions = _checked(ratings, mos, groups)
    _check_settings(variant, epsilon=epsilon, missing=missing, min_variance=min_variance)
    usable = ~np.isnan(q)
    if missing == "refuse" and not usable.all():
        raise DataError(f"got {int((~usable).sum())} missing ratings; leave those out, or set missing='exclude'")
    batch = rated_batch(q, usable, min_variance)
    codes, reward = _codes(groups, len(q)), np.zeros_like(q)
    for part in _slices(q.shape):
        order = np.sign(opinions[part, None] - opinions)
        partners = (codes[part, None] == codes) & (batch.count > 0.0)
        rows, own = np.arange(len(order)), np.arange(len(q))[part]
        # An image is not its own partner; whatever it earns against itself is left out, so it need be no tie.
        partners[rows, own], order[rows, own] = False, 1.0
        earned = VARIANTS[variant](batch, part, order, epsilon)
        total = (earned @ partners[:, :, None].astype(np.float64))[:, :, 0]
        reward[part] = total / np.maximum(1, partners.sum(axis=1))[:, None]
    return np.where(usable, reward, 0.0)


def _checked(ratings: ArrayLike, mos: ArrayLike, groups: Sequence[Hashable] | None) -> tuple[FloatArray, FloatArray]:
    q = numbers(ratings, name="ratings")
    if q.ndim != 2:
        raise DataError(f"got ratings of shape {q.shape}; wanted (images, samples)")
    opinions = vector(mos, name="mos", length=len(q))
    if not np.isfinite(opinions).all():
        raise DataError(f"got a mos that is not finite for image {int(np.argmin(np.isfinite(opinions)))}; leave it out")
    if np.isinf(q).any():
        raise DataError("got an infinite rating; wanted a number, or NaN for an unusable answer")
    if groups is not None and len(groups) != len(q):
        raise DataError(f"got {len(groups)} groups for {len(q)} images; wanted one each")
    return q, opinions


def _check_settings(variant: str, *, epsilon: float, missing: str, min_variance: float) -> None:
    if variant not in VARIANTS:
        raise ConfigError(f"got the rank variant {variant!r}; wanted one of {', '.join(VARIANTS)}")
    if missing not in MISSING:
        raise ConfigError(f"got missing={missing!r}; wanted one of {', '.join(MISSING)}")
    if not 0.0 <= epsilon < math.inf or not 0.0 <= min_variance < math.inf:
        raise ConfigError(f"got epsilon {epsilon} and min_variance {min_variance}; wanted finite numbers of 0 or more")


def _codes(groups: Iterable[Hashable] | None, images: int) -> NDArray[np.int64]:
    """A number for the group of each image (images,)."""
    if groups is None:
        return np.zeros(images, dtype=np.int64)
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in groups], dtype=np.int64)


def _slices(shape: tuple[int, ...]) -> Iterator[slice]:
    images, samples = shape
    rows = max(1, _CELLS // max(1, samples * images))
    return (slice(start, min(start + rows, images)) for start in range(0, images, rows))
