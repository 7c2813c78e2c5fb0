"""The table of the fidelity with a certain truth is the formula."""

import math

import numpy as np
import pytest

from loupe.rewards.certain import certain_fidelity, tied_fidelity
from loupe.rewards.thurstone import fidelity


@pytest.mark.parametrize("epsilon", [0.0, 1e-18, 1e-12, 1e-9, 1e-6, 1e-3, 0.1])
def test_it_is_the_formula_to_a_ten_trillionth(epsilon: float) -> None:
    z = np.random.default_rng(0).uniform(-14.0, 10.0, 200_000)
    exact = np.array([math.sqrt(0.5 * math.erfc(-value * math.sqrt(0.5)) + epsilon) for value in z])
    assert np.abs(certain_fidelity(z, epsilon) - exact - math.sqrt(epsilon)).max() < 1e-13


@pytest.mark.parametrize("epsilon", [0.0, 1e-12, 1e-6, 1e-3])
def test_a_tie_is_the_formula_too(epsilon: float) -> None:
    z = np.random.default_rng(0).uniform(-10.0, 10.0, 20_000)
    cdf = [0.5 * math.erfc(-value * math.sqrt(0.5)) for value in z]
    other = [0.5 * math.erfc(value * math.sqrt(0.5)) for value in z]
    exact = [math.sqrt(p / 2 + epsilon) + math.sqrt(q / 2 + epsilon) for p, q in zip(cdf, other, strict=True)]
    assert np.abs(tied_fidelity(z, epsilon) - exact).max() < 1e-12


def test_the_ends_are_certain_and_impossible() -> None:
    z = np.array([-1e300, -40.0, 40.0, 1e300])
    assert certain_fidelity(z, 0.0) == pytest.approx(np.array([0.0, 0.0, 1.0, 1.0]), abs=1e-15)
    assert certain_fidelity(z, 1e-6) == pytest.approx(fidelity(np.array([0.0, 0.0, 1.0, 1.0]), 1.0), abs=1e-15)
