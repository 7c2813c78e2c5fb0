"""How likely one image is better than another, and how well two such probabilities agree.

Thurstone's comparison of two judgements and the fidelity of two probabilities, as VisualQuality-R1 (arXiv 2505.14460)
uses them in Eq. 1 and Eq. 3. Pure formulas on numbers or arrays; what is compared with what says `loupe.rewards.rank`.
"""

import numpy as np
from numpy.typing import ArrayLike

from loupe.rewards.arrays import FloatArray
from loupe.rewards.normal import normal_cdf

GAMMA = 1e-6
"""Added to the sum of variances, as in the code of the paper; the paper says "small"."""


def thurstone_probability(
    rating: ArrayLike, other_mean: ArrayLike, variance: ArrayLike, other_variance: ArrayLike, *, gamma: float = GAMMA
) -> FloatArray:
    """Probability 0..1 that an image rated `rating` is better than another one (Eq. 1); all arguments broadcast."""
    spread = np.sqrt(np.asarray(variance, dtype=np.float64) + np.asarray(other_variance, dtype=np.float64) + gamma)
    return normal_cdf((np.asarray(rating, dtype=np.float64) - np.asarray(other_mean, dtype=np.float64)) / spread)[()]


def fidelity(probability: ArrayLike, truth: ArrayLike, *, epsilon: float = 1e-6) -> FloatArray:
    """Fidelity of two probabilities in 0..1 (Eq. 3), 1 where they are equal (with epsilon 0), falling to 0."""
    p, q = np.asarray(probability, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    return np.sqrt(p * q + epsilon) + np.sqrt((1.0 - p) * (1.0 - q) + epsilon)
