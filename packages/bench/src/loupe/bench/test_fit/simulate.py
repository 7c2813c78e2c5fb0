"""Test sets whose truth is known: how good the predictions are, and how their scale goes with that of opinion.

Ours. The predictor's view z of an image is standard normal, and it writes the score 3 + .8 z, cut to 1..5, with two
decimals. Opinion is q = r g(z) + sqrt(1 - r^2) e with standard normal e, where g is z itself (linear) or tanh(z)
brought to unit variance (tanh): the labels use up the ends of their scale before the predictions do. So r is the
correlation with opinion once the scale is right, and 1 - r^2 is noise that no map of z can explain. Fresh labels are a
second opinion on the same images, with another e.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from loupe.bench.intervals import Floats

LOW, HIGH, MIDDLE = 1.0, 5.0, 3.0
_SPREAD = 0.8
_NODES = 200


class TestSet(NamedTuple):
    """`predictions` on 1..5 with the `labels` that a fit may see, and `fresh` labels that it may not; all (n,)."""

    predictions: Floats
    labels: Floats
    fresh: Floats


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition: `n` images, correlation `r` once the scale is right, name of the link."""

    n: int
    r: float
    link: str


def _straight(z: Floats) -> Floats:
    return z


def _bent(z: Floats) -> Floats:
    return np.tanh(z) / _tanh_deviation()


LINKS: dict[str, Callable[[Floats], Floats]] = {"linear": _straight, "tanh": _bent}


def cells(sizes: Sequence[int], correlations: Sequence[float], links: Sequence[str]) -> list[Cell]:
    """Every condition, link by link, then by correlation, then by size."""
    return [Cell(n, r, link) for link in links for r in correlations for n in sizes]


def simulate(cell: Cell, *, seed: int, repetition: int) -> TestSet:
    """The test set of a condition and a repetition; it hangs on nothing but these and the seed."""
    condition = [cell.n, round(1e6 * cell.r), list(LINKS).index(cell.link)]
    rng = np.random.default_rng([seed, *condition, repetition])
    z = rng.standard_normal(cell.n)
    known, noise = cell.r * LINKS[cell.link](z), math.sqrt(1.0 - cell.r**2)
    scores = np.round(np.clip(MIDDLE + _SPREAD * z, LOW, HIGH), 2)
    labels, fresh = (known + noise * rng.standard_normal(cell.n) for _ in range(2))
    return TestSet(scores, labels, fresh)


@cache
def _tanh_deviation() -> float:
    """Standard deviation of tanh(z) for standard normal z, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return math.sqrt(float(weights @ np.square(np.tanh(nodes)) / weights.sum()))
