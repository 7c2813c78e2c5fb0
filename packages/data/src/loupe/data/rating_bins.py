"""Equal-width bins over the ratings 1 to 5: the histogram that re-sampling evens out and that errors are shown over."""

import numpy as np
import numpy.typing as npt

BINS = 8
"""Bins where nobody says otherwise: half points."""


def bin_edges(bins: int = BINS) -> list[float]:
    """The `bins` + 1 edges of the rating bins, from 1 to 5."""
    return [1 + 4 * edge / bins for edge in range(bins + 1)]


def rating_bins(ratings: npt.NDArray[np.float64], *, bins: int = BINS) -> npt.NDArray[np.int64]:
    """Bin of each rating (images,), 0..bins-1; an upper edge belongs to the next bin, but 5 to the last one."""
    return np.clip(((ratings - 1) / 4 * bins).astype(np.int64), 0, bins - 1)
