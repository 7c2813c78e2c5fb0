"""Checks at the door of a reward: the shapes that its formula takes for granted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loupe.core.errors import DataError

FloatArray = NDArray[np.float64]


def numbers(values: ArrayLike, *, name: str) -> FloatArray:
    """The values as float64, None as NaN. Raises DataError for what is no number, and for rows of unequal length."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"got {name} that are no array of numbers ({str(error)[:80]}); wanted numbers or NaN"
        ) from error


def vector(values: ArrayLike, *, name: str, length: int) -> FloatArray:
    """The values as float64 (length,). Raises DataError for another shape."""
    array = numbers(values, name=name)
    if array.shape != (length,):
        raise DataError(f"got {name} of shape {array.shape}; wanted ({length},), one number each")
    return array
