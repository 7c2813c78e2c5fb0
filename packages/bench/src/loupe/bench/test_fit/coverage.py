"""Which bootstrap tells the truth about a fitted figure: one that holds the map in every draw, or one that fits anew?

Both 95 % intervals of the fitted PLCC are made for many simulated test sets, and counted is how often each of the two
holds the mean of the fitted PLCC over all the test sets. 95 % is right. `loupe.bench.correlate` does what comes out
better here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loupe.bench.fits import MAPS, Map
from loupe.bench.intervals import Floats, Interval, draws, interval_of, mean_interval
from loupe.bench.test_fit.simulate import Cell, TestSet, simulate
from loupe.bench.weighted import plcc

Fit = Callable[[Floats, Floats], Map]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of `n` intervals that hold the mean of the fitted PLCC (.95 is right) with its own interval, and mean width
    of the intervals, each with the map held in the draws and with a new fit in each."""

    cell: Cell
    map: str
    n: int
    held: Interval
    anew: Interval
    held_width: float
    anew_width: float


class _Trial(NamedTuple):
    point: float
    held: Interval
    anew: Interval


def coverage(
    cell: Cell,
    kind: str,
    *,
    repetitions: int,
    n_draws: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> Coverage:
    """Coverage of both intervals for one condition and one of `MAPS`; `progress` is called after each repetition."""
    trials: list[_Trial] = []
    for repetition in range(repetitions):
        trial = _trial(simulate(cell, seed=seed, repetition=repetition), MAPS[kind], n_draws=n_draws, seed=repetition)
        trials.extend([trial] if trial is not None else [])
        progress()
    truth = float(np.mean([trial.point for trial in trials])) if trials else float("nan")
    held, anew = [trial.held for trial in trials], [trial.anew for trial in trials]

    def share(intervals: list[Interval]) -> Interval:
        return mean_interval([float(item.low <= truth <= item.high) for item in intervals], seed=seed)

    def width(intervals: list[Interval]) -> float:
        return float(np.mean([item.high - item.low for item in intervals])) if intervals else float("nan")

    return Coverage(cell, kind, len(trials), share(held), share(anew), width(held), width(anew))


def _trial(test_set: TestSet, fit: Fit, *, n_draws: int, seed: int) -> _Trial | None:
    """Fitted PLCC of one test set and both of its intervals; None where there is no map."""
    scores, labels = test_set.predictions, test_set.labels
    values = fit(scores, labels).values
    if values is None:
        return None
    held_plcc = plcc(values, labels)
    weights = np.concatenate(list(draws(None, n=scores.size, count=n_draws, seed=seed)))
    taken = [np.repeat(np.arange(scores.size), row.astype(np.intp)) for row in weights]
    anew = np.array([_fitted_plcc(scores[items], labels[items], fit) for items in taken])
    point = float(held_plcc(np.ones((1, scores.size)))[0])
    return _Trial(point, interval_of(point, held_plcc(weights)), interval_of(point, anew))


def _fitted_plcc(scores: Floats, labels: Floats, fit: Fit) -> float:
    values = fit(scores, labels).values
    return float("nan") if values is None else float(plcc(values, labels)(np.ones((1, scores.size)))[0])
