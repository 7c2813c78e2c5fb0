"""Error by rating: where on the scale a row's ratings are wrong, and how many training images it had there.

A mean over all images says little about rare opinions, for they are rare. The balanced error counts every half point of
the scale the same.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from loupe.bench.ablation.judged import Judged
from loupe.bench.correlate import Floats, Weighted
from loupe.data.rating_bins import BINS, bin_edges, rating_bins

EDGES = bin_edges()


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
