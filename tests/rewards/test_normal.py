"""The normal distribution function, against the one of the C library."""

import math

import numpy as np
from scipy.special import log_ndtr

from loupe.rewards.normal import normal_cdf


def test_it_is_the_one_of_the_c_library() -> None:
    z = np.linspace(-8.0, 9.0, 20_001)
    exact = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z])
    assert np.abs(normal_cdf(z) / exact - 1.0).max() < 3e-14


def test_the_far_tail_keeps_its_digits() -> None:
    z = np.linspace(-37.0, -8.0, 2001)
    assert np.abs(np.log(normal_cdf(z)) - log_ndtr(z)).max() < 1e-12


def test_both_tails_add_up_to_one_and_the_ends_are_reached() -> None:
    z = np.linspace(-9.0, 9.0, 1001)
    assert np.abs(normal_cdf(z) + normal_cdf(-z) - 1.0).max() < 1e-15
    assert normal_cdf(np.array([-np.inf, np.inf])).tolist() == [0.0, 1.0]
    assert np.isnan(normal_cdf(np.array([np.nan]))).all()
