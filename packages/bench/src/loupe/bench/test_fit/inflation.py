"""What a fit on the test labels adds to PLCC and SRCC, and how much of that is left on labels that it has not seen.

The gain on the test labels is the fitted figure less the raw one. The gain on fresh labels is the same for the map as
it is, but with labels that it was not fitted to: what a bent scale can honestly win back. The inflation is the first
less the second: what the map took from the noise of the test labels. Both gains are differences to a raw figure on the
same labels, so that the luck of the draw cancels. Ours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.fits import MAPS
from loupe.bench.intervals import Floats, Interval, mean_interval
from loupe.bench.test_fit.simulate import Cell, TestSet, simulate
from loupe.bench.weighted import weighted_statistic

STATISTICS = ("plcc", "srcc")


@dataclass(frozen=True, slots=True)
class Inflation:
    """Means over the repetitions with 95 % intervals: the raw figure, the gain of the fitted one over it on the labels
    of the fit and on fresh ones, and the first gain less the second; above zero is what a table prints too much."""

    raw: Interval
    gain: Interval
    fresh_gain: Interval
    inflation: Interval


@dataclass(frozen=True, slots=True)
class CellResult:
    """Inflation of one condition: `maps[map][statistic]`. `failed[map]` counts repetitions without a map, left out."""

    cell: Cell
    maps: dict[str, dict[str, Inflation]]
    failed: dict[str, int]


def measure(
    cell: Cell, *, repetitions: int, n_boot: int, seed: int, progress: Callable[[], None] = lambda: None
) -> CellResult:
    """Simulate and fit `repetitions` times; `progress` is called after each."""
    rows: list[Mapping[str, Floats]] = []
    for repetition in range(repetitions):
        rows.append(figures(simulate(cell, seed=seed, repetition=repetition)))
        progress()
    found = {name: [row[name] for row in rows if name in row] for name in MAPS}
    maps = {name: _summary(some, n_boot=n_boot, seed=seed) for name, some in found.items()}
    return CellResult(cell, maps, {name: repetitions - len(some) for name, some in found.items()})


def figures(test_set: TestSet) -> dict[str, Floats]:
    """By map, for PLCC and SRCC (2, 3): raw, gain on the labels of the fit, gain on fresh labels; without failed maps.

    `raw` is that on the labels of the fit.
    """
    scores, labels, fresh = test_set
    raw, raw_fresh = _agreement(scores, labels), _agreement(scores, fresh)
    made: dict[str, Floats] = {}
    for name, fit in MAPS.items():
        values = fit(scores, labels).values
        if values is not None:
            gains = _agreement(values, labels) - raw, _agreement(values, fresh) - raw_fresh
            made[name] = np.stack([raw, *gains], axis=1)
    return made


def _agreement(predictions: Floats, labels: Floats) -> Floats:
    everything = np.ones((1, predictions.size))
    return np.array([weighted_statistic(name, predictions, labels)(everything)[0] for name in STATISTICS])


def _summary(rows: Sequence[Floats], *, n_boot: int, seed: int) -> dict[str, Inflation]:
    """From figures of each repetition to their means."""
    stacked = np.stack(rows) if rows else np.empty((0, len(STATISTICS), 3))
    made: dict[str, Inflation] = {}
    for place, name in enumerate(STATISTICS):
        raw, gain, fresh = stacked[:, place].T
        means = [mean_interval(values, n_boot=n_boot, seed=seed) for values in (raw, gain, fresh, gain - fresh)]
        made[name] = Inflation(*means)
    return made
