"""Does the agent zoom where it has to? Zoom rate over how much the overview understates the damage.

The measure is that of the images: points of rating by which the overview looks better than the image is. Where nobody
measured it, the labels hard and easy alone are compared; where there are none either, the rows stay grey.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from loupe.bench.audit.crossed import less, mean_of
from loupe.bench.audit.material import Material, images_in
from loupe.bench.audit.rows import ABOVE_ZERO, Figure, Limits, Row
from loupe.bench.correlate import Weighted, weighted_statistic
from loupe.bench.predictions import Prediction
from loupe.zoom.look import Look

SECTION = "Does it zoom where it has to?"
EDGES = (-math.inf, 0.0, 0.25, 0.5, 1.0, math.inf)
"""Bins of the points that the overview hides."""
HALF = Limits(red=0.5, green=0.5)
REASON = "zooming does not depend on need: a crop costs the agent nothing, or its overview hides what is missing in it"
SHY = "it is sure too soon: overviews that hide the damage look finished to it"
EAGER = "it zooms into nearly everything: a crop that finds nothing costs it little, and nothing pays for restraint"


def difficulty(material: Material) -> list[Row]:
    """Zoom rate on hard less easy images and its rank correlation with what is hidden, and the two shares."""
    runs = material.of(Look.DECIDED.value)
    hidden = [material.understated.get(item.sample.id, math.nan) for item in runs[0]] if runs else []
    known = material.of(Look.DECIDED.value, keep=lambda item: item.sample.hard is not None)
    gap = material.over(known, [less(_rate(run, hard=True), _rate(run, hard=False)) for run in known])
    figures = [Figure("hard less easy", gap, ABOVE_ZERO)]
    if hidden and np.isfinite(hidden).all():
        slope = [weighted_statistic("srcc", [zoomed(item) for item in run], hidden) for run in runs]
        figures.append(Figure("SRCC with what the overview hides", material.over(runs, slope), ABOVE_ZERO))
    seeds = len(runs)
    return [
        Row(SECTION, "zoom rate over difficulty", images_in(known), tuple(figures), REASON, seeds=seeds),
        _share(material, "hard images that were zoomed into", zoomed, hard=True, reason=SHY),
        _share(
            material, "easy images that were not zoomed into", lambda item: 1 - zoomed(item), hard=False, reason=EAGER
        ),
    ]


def bins(material: Material) -> list[dict[str, object]]:
    """Zoom rate by what the overview hides, empty bins left out; no bins where that was not measured."""
    found: list[dict[str, object]] = []
    for low, high in pairwise(EDGES):
        ids = {id for id, value in material.understated.items() if low <= value < high}
        runs = material.of(Look.DECIDED.value, keep=lambda item, ids=ids: item.sample.id in ids)
        if images_in(runs):
            rate = list(material.mean(runs, zoomed))
            found.append({"from": low, "to": high, "n": images_in(runs), "zoom_rate": rate})
    return found


def zoomed(item: Prediction) -> float:
    """1 where a crop was shown."""
    return float(item.episode.zoomed)


def _share(material: Material, name: str, value: Callable[[Prediction], float], *, hard: bool, reason: str) -> Row:
    runs = material.of(Look.DECIDED.value, keep=lambda item: item.sample.hard is hard)
    figure = Figure("share", material.mean(runs, value), HALF, signed=False)
    return Row(SECTION, name, images_in(runs), (figure,), reason, seeds=len(runs))


def _rate(run: Sequence[Prediction], *, hard: bool) -> Weighted:
    return mean_of([zoomed(item) if item.sample.hard is hard else math.nan for item in run])
