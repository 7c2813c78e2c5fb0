"""The two maps that this field fits to the labels before it correlates: a logistic curve and isotonic regression.

Both are fitted on the very labels that the figure is then taken on. What they gain over the raw figure is in part a
real bend of the scale and in part the labels' own noise; `loupe bench test-fit` measures both. So they stand beside the
raw figures and never in their place. The curve is the 4-parameter logistic of VQEG from the start of DeQA-Score (2025);
isotonic regression, as in the released evaluator of Zoom-IQA, is that of scikit-learn.

Ours: both maps rise, as the scales are declared to. Predictions that run against opinion have no such map, and a fit
that may fall would turn a correlation of -.8 into one of .8; they get NaN and the reason. Leaves out intervals.
"""

# scikit-learn and SciPy come without stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from loupe.bench.intervals import Floats
from loupe.bench.runs import runs
from loupe.bench.weighted import MIN_ITEMS, is_flat, pair, plcc, sound, standard

PARAMETERS = 4
"""Parameters of the logistic curve; it wants more different predictions than that."""
LOSS = 1e-4
"""PLCC that a fitted curve may lack to the raw one before it counts as failed: a curve is never quite a line."""
_EVALUATIONS = 10_000
_NARROW = 1e-3
"""Least width of a curve in standard deviations of the predictions: a step at that size, and no division by zero."""


class Map(NamedTuple):
    """What a fit made of the predictions: `values` (n,) on the scale of the labels, or None and the `reason`."""

    values: Floats | None
    reason: str


def logistic(predictions: ArrayLike, mos: ArrayLike) -> Map:
    """`predictions` (n,) on the least-squares curve b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) to `mos` (n,).

    Both are standardised first, so that the start [max, min, mean, std / 4] is a good one on any scale. Refused with a
    reason: what `isotonic` refuses, fewer than five different predictions, a search that does not end, a falling curve,
    and one that agrees less with the labels than the raw predictions do. Raises ValueError where the lengths differ.
    """
    x, y = pair(predictions, mos)
    if reason := refusal(x, y):
        return Map(None, reason)
    if (different := np.unique(x).size) <= PARAMETERS:
        return Map(None, f"got {different} different predictions; a curve of {PARAMETERS} parameters wants more")
    u, v = _standardised(x), _standardised(y)
    try:
        curve = _search(u, v)
    except RuntimeError:
        return Map(None, f"the search for the curve did not end within {_EVALUATIONS} evaluations")
    fitted = logistic_curve(u, *curve)
    if not np.isfinite(fitted).all():
        return Map(None, "the search for the curve diverged")
    if curve[0] < curve[1]:
        return Map(None, "the best curve falls where opinion rises")
    if is_flat(fitted) or _plcc(fitted, v) < _plcc(u, v) - LOSS:
        return Map(None, "the search for the curve ended in one that agrees less than the raw predictions")
    return Map(y.mean() + y.std() * fitted, "")


def isotonic(predictions: ArrayLike, mos: ArrayLike) -> Map:
    """`predictions` (n,) on the least-squares rising step function to `mos` (n,): equal predictions get one value.

    Refused with a reason: fewer than three items, numbers that are not finite, constant predictions or labels, and
    predictions that run against opinion (PLCC not above zero). Raises ValueError where the lengths differ.
    """
    x, y = pair(predictions, mos)
    if reason := refusal(x, y):
        return Map(None, reason)
    steps = rising_steps(x, y)
    return Map(None, "the best rising step function is constant") if is_flat(steps) else Map(steps, "")


def rising_steps(x: Floats, y: Floats) -> Floats:
    """Values (n,) of the rising step function next to `y` (n,) over `x` (n,), by pooling adjacent violators.

    What runs down all the way becomes one step at the mean: the direction is never taken from the data.
    """
    from sklearn.isotonic import isotonic_regression

    order, starts, where = runs(x)
    counts = np.diff(np.append(starts, x.size))
    means = np.add.reduceat(y[order], starts) / counts
    return np.asarray(isotonic_regression(means, sample_weight=counts, increasing=True), dtype=np.float64)[where]


def logistic_curve(x: Floats, b1: float, b2: float, b3: float, b4: float) -> Floats:
    """b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) for `x` (n,), without overflow."""
    from scipy.special import expit

    return b2 + (b1 - b2) * np.asarray(expit((x - b3) / max(abs(b4), _NARROW)), dtype=np.float64)


def refusal(x: Floats, y: Floats) -> str:
    """Why no rising map is fitted to `x` and `y` (n,), or nothing."""
    if x.size < MIN_ITEMS:
        return f"got {x.size} items; a fit wants {MIN_ITEMS} at least"
    if not sound(x, y):
        return "a prediction or a label is not a finite number"
    if is_flat(x) or is_flat(y):
        return "the predictions or the labels are constant"
    if _plcc(x, y) <= 0.0:
        return "the predictions run against opinion, and a rising map would hide that"
    return ""


MAPS: dict[str, Callable[[ArrayLike, ArrayLike], Map]] = {"logistic": logistic, "isotonic": isotonic}


def _search(u: Floats, v: Floats) -> Floats:
    """The four parameters for standardised vectors. Raises RuntimeError where the search does not end."""
    import warnings

    from scipy.optimize import OptimizeWarning, curve_fit

    with warnings.catch_warnings():
        # Its covariance is not used, and has none where the best curve is a step.
        warnings.simplefilter("ignore", OptimizeWarning)
        found = curve_fit(logistic_curve, u, v, p0=[v.max(), v.min(), 0.0, 0.25], maxfev=_EVALUATIONS)
    return np.asarray(found[0], dtype=np.float64)


def _standardised(x: Floats) -> Floats:
    centred = standard(x)
    return centred / centred.std()


def _plcc(x: Floats, y: Floats) -> float:
    return float(plcc(x, y)(np.ones((1, x.size)))[0])
