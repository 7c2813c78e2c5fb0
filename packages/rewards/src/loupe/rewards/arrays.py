"""Checks at the door of a reward: the shapes that its formula takes for granted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loupe.core.errors import DataError

FloatArray = NDArray[np.float64]


def vector(values: ArrayLike, *, name: str, length: int) -> FloatArray:
    """The values as float64 (length,). Raises DataError for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (length,):
        raise DataError(f"got {name} of shape {array.shape}; wanted ({length},), one number each")
    return array
