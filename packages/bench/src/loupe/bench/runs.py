"""What the rank figures share: runs of equal values, and a quotient that is NaN where it has no sense."""

import math

import numpy as np
from numpy.typing import NDArray

from loupe.bench.intervals import Floats

Indices = NDArray[np.intp]


def runs(x: Floats) -> tuple[Indices, Indices, Indices]:
    """Sorting order of `x` (n,), where each run of equal values starts in it (runs,), the run of every item (n,)."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    return np.argsort(x, kind="stable"), np.cumsum(counts) - counts, where.ravel()


def ratio(top: Floats, bottom: Floats) -> Floats:
    """`quotient` clipped to -1..1 against rounding."""
    return np.clip(quotient(top, bottom), -1.0, 1.0)


def quotient(top: Floats, bottom: Floats) -> Floats:
    """`top` over `bottom`; NaN where the divisor is zero."""
    return np.where(bottom > 0.0, top / np.where(bottom > 0.0, bottom, 1.0), math.nan)
