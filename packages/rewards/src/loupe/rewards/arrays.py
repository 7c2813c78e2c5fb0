"""Checks at the door of every reward: the shapes and values that its formula takes for granted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loupe.core.errors import DataError

FloatArray = NDArray[np.float64]
Numbers = Sequence[float] | FloatArray


def vector(values: Numbers, *, name: str, length: int | None = None) -> FloatArray:
    """The values as float64 (N,). Raises DataError for another rank or, where `length` is given, another length."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or (length is not None and len(array) != length):
        wanted = "(N,)" if length is None else f"({length},)"
        raise DataError(f"got {name} of shape {array.shape}; wanted {wanted}, one number each")
    return array
