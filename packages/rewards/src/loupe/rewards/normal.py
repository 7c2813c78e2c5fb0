"""The normal distribution function on whole arrays, exact in both tails, with numpy alone.

Phi(z) = erfc(-z / sqrt 2) / 2, and (1 + 2 y) exp(y^2) erfc(y) is smooth on [0, inf): as a function of
t = (y - 2.5) / (y + 2.5) it is a polynomial of degree 22 to 1e-15. The substitution is that of Shepherd and Laframboise
(1981); the coefficients are ours, computed with 40 digits. The relative error is below 1e-12 down to z = -37, where Phi
is 1e-299.
"""

import math

import numpy as np

from loupe.rewards.arrays import FloatArray

_COEFFICIENTS = (
    1.264838184366861655, -0.12235676308238377169, -0.099024539573651214289, 0.15762991902137585834,
    -0.10296705603621854042, 0.032760893317699199099, 0.00093189277334686884314, -0.0043820789453020144017,
    0.00049186623888341346963, 0.00063212850944511365661, -0.000088481680299003395903, -0.00011354002162922976427,
    6.2749300957095994477e-6, 0.000022748070736397008841, 2.5875002384947697466e-6, -4.3060219159655645069e-6,
    -1.5509213278376790677e-6, 6.3372381321009030707e-7, 4.9733114231240617341e-7, -5.0760016733672633265e-8,
    -1.0181458785967409374e-7, -2.6406649805321809359e-10, 1.0433272466723329685e-8,
)  # fmt: skip
"""Of t ** 0, t ** 1, ..."""
_CENTRE = 2.5


def normal_cdf(z: FloatArray) -> FloatArray:
    """Probability (shape of `z`) in 0..1 that a standard normal variable is at most `z`; NaN stays NaN."""
    y = np.abs(z) * math.sqrt(0.5)
    t = 1.0 - 2.0 * _CENTRE / (y + _CENTRE)
    tail = np.full_like(t, _COEFFICIENTS[-1])
    for coefficient in _COEFFICIENTS[-2::-1]:
        tail *= t
        tail += coefficient
    tail *= 0.5 * np.exp(-y * y) / (1.0 + 2.0 * y)
    return np.where(z > 0.0, 1.0 - tail, tail)
