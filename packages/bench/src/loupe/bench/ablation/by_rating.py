"""Error by rating: where on the scale a row's ratings are wrong, and how many training images it had there.

A mean over all images says little about rare opinions, for they are rare. The balanced error counts every half point of
the scale the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loupe.bench.ablation.judged import Judged
from loupe.bench.correlate import Floats, Weighted

BINS = 8
"""Equal-width bins over the ratings 1 to 5."""
EDGES = [1 + 4 * edge / BINS for edge in range(BINS + 1)]


def rating_bins(ratings: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Bin (n,) of each rating, 0..BINS-1; an upper edge belongs to the next bin, 5 to the last."""
    return np.clip(((ratings - 1) / 4 * BINS).astype(np.int64), 0, BINS - 1)


def balanced_error(run: Judged) -> Weighted:
    """Mean over the bins of the mean absolute error within each, from weights (draws, n); bins without weight count
    for nothing."""
    errors, member = np.abs(run.rating - run.mos), np.eye(BINS)[rating_bins(run.mos)]

    def statistic(weights: Floats) -> Floats:
        total = weights @ member
        sums = weights @ (member * errors[:, None])
        known = total > 0
        means = np.where(known, sums / np.where(known, total, 1.0), 0.0)
        return means.sum(axis=1) / known.sum(axis=1)

    return statistic


def errors_by_rating(runs: Mapping[str, Sequence[Judged]]) -> dict[str, list[list[float]]]:
    """By row: [centre of the bin, mean over seeds of its error, lowest seed, highest seed, images]; no empty bins."""
    return {name: _row(judged) for name, judged in runs.items() if judged}


def histogram(ratings: Floats) -> list[int]:
    """Images in each bin."""
    return np.bincount(rating_bins(ratings), minlength=BINS).tolist()


def _row(runs: Sequence[Judged]) -> list[list[float]]:
    place = rating_bins(runs[0].mos)
    made: list[list[float]] = []
    for number in range(BINS):
        chosen = place == number
        if chosen.any():
            errors = [float(np.abs(run.rating - run.mos)[chosen].mean()) for run in runs]
            centre = (EDGES[number] + EDGES[number + 1]) / 2
            made.append([centre, sum(errors) / len(errors), min(errors), max(errors), float(chosen.sum())])
    return made
