"""Whether the standard deviation of opinions stands on the scale of their mean.

On a scale from lo to hi, opinions of mean m spread by at most sqrt((m - lo)(hi - m)) (Bhatia and Davis 2000), which is
(hi - lo) / 2 in the middle. Their variance over that bound squared is the parameter `a` of the SOS hypothesis
(Hossfeld, Schatz and Egger 2011); panels that rate images lie near .1 to .3 (published labels of KonIQ-10k .11, of LIVE
in the Wild .20, of KADID-10k .27). Over 1 is impossible: another scale, or a variance. Hundreds of times less is a
deviation on 1..5 beside a mean on 0..100, or the standard error of a mean. The limits below are ours.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.data.audit.by_dataset import Numbers, Rated
from loupe.data.audit.finding import Finding, Status, named

ENOUGH = 10
"""Rows with a deviation from which on it is judged."""
SLACK = 1.1
"""What a deviation may exceed the bound by: the sample's own (n - 1), and rounding."""
IMPOSSIBLE_SHARE = 0.01
"""Share of rows beyond the bound that is put down to rounding at the ends of the scale."""
LOWEST, LIKELY = 0.01, (0.03, 0.5)
"""`a` under which no panel is known, and the range in which panels are."""
_INNER = 0.05
"""Share of the scale at each end where the bound is too small to divide by."""


def check_spread(rated: Rated) -> Finding:
    """Fails where a deviation cannot be on the scale of mos, warns where it is much smaller than any panel's."""
    name = "scale of mos_std"
    known = np.isfinite(rated.stds)
    if known.sum() < ENOUGH or not rated.width > 0:
        words = "no deviations" if not known.any() else f"deviations of {known.sum()} images are too few to judge"
        return Finding(name, Status.SKIPPED, words, dataset=rated.dataset)
    found = spread_figures(rated)
    status, words, advice = _judged(found, width=rated.width)
    beyond = _beyond(rated)
    lines = [
        f"{printable(row.id)}: mos {numbers.fixed(row.mos, 2)}, std {numbers.fixed(row.mos_std, 2)}"
        for row, far in zip(rated.rows, beyond)
        if far and status is Status.FAIL
    ]
    return Finding(name, status, words, advice, rated.dataset, found, named(lines))


def spread_figures(rated: Rated) -> dict[str, Any]:
    """Count, range and median of the deviations, the share beyond the bound, negative ones, and `a` (None: unknown)."""
    stds = rated.stds[np.isfinite(rated.stds)]
    return {
        "images": int(stds.size),
        "std_min": float(stds.min()),
        "std_median": float(np.median(stds)),
        "std_max": float(stds.max()),
        "largest_possible": rated.width / 2,
        "beyond_bound_share": float(np.mean(_beyond(rated)[np.isfinite(rated.stds)])),
        "negative": int((stds < 0).sum()),
        "a": _parameter(rated.mos, rated.stds, low=rated.low, high=rated.high),
        "a_of_root": _parameter(rated.mos, np.sqrt(np.abs(rated.stds)), low=rated.low, high=rated.high),
    }


def reads_as_five_levels(found: dict[str, Any], *, width: float) -> bool:
    """Whether deviations become likely when they are stretched from 1..5 to the scale of mos, and are not before."""
    a = found["a"]
    stretch = width / 4
    return a is not None and stretch >= 4 and a < LOWEST and LIKELY[0] <= a * stretch**2 <= LIKELY[1]


def _judged(found: dict[str, Any], *, width: float) -> tuple[Status, str, str]:
    words = f"std {numbers.fixed(found['std_min'], 2)} to {numbers.fixed(found['std_max'], 2)}"
    a = found["a"]
    words += f", a = {numbers.fixed(a) if a is None or a >= LOWEST else numbers.scientific(a)}"
    if found["negative"]:
        return Status.FAIL, f"{words}; {found['negative']} are negative", "this column holds no deviation"
    if found["beyond_bound_share"] > IMPOSSIBLE_SHARE:
        share = numbers.percent(found["beyond_bound_share"])
        root = found["a_of_root"]
        guess = "; their square roots fit: they look like variances" if _likely(root) else ""
        advice = "take the root of a variance, or stretch the deviation with the mean"
        return Status.FAIL, f"{words}; {share} are more than opinions on this scale can spread{guess}", advice
    if a is None or a >= LOWEST:
        return Status.OK, words, ""
    if reads_as_five_levels(found, width=width):
        words += f"; they fit a scale of 1 to 5 while mos is on one {numbers.fixed(width, 0)} wide"
        return Status.FAIL, words, f"multiply the deviation by {numbers.fixed(width / 4, 2)}, or leave it out"
    words += "; far less than people differ: another scale, or standard errors of the mean"
    return Status.WARN, words, "check the release; do not make soft labels of it"


def _likely(a: float | None) -> bool:
    return a is not None and LIKELY[0] <= a <= LIKELY[1]


def _beyond(rated: Rated) -> npt.NDArray[np.bool_]:
    bound = np.sqrt(np.clip((rated.mos - rated.low) * (rated.high - rated.mos), 0, None))
    # Rounded means at the very ends leave no room; a hundredth of the scale is granted there.
    return np.nan_to_num(rated.stds) > SLACK * bound + rated.width / 100


def _parameter(mos: Numbers, stds: Numbers, *, low: float, high: float) -> float | None:
    """Median of variance over its bound, where the mean is not at an end of the scale."""
    inner = np.isfinite(stds) & (np.abs(mos - (low + high) / 2) <= (0.5 - _INNER) * (high - low))
    if not inner.any():
        return None
    bound = (mos[inner] - low) * (high - mos[inner])
    return float(np.median(stds[inner] ** 2 / bound))
