"""Whether ratings rise with a simple measure of likeness to the reference: labels that run the wrong way show at once.

Spearman's rank correlation of ratings with SSIM of the reduced images, over all rows that have a reference of the same
shape. Its interval is that of independent images (Fieller, Hartley and Pearson 1957: the variance of Fisher's z is
1.06 / (n - 3)); images of a reference depend on one another, so it is a little too narrow. A measure this simple is
near .5 to .9 on public sets, so the limits, which are ours, leave room.
"""

import math
from typing import Any

import numpy as np

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.data.audit.by_dataset import Numbers, Rated
from loupe.data.audit.facts import SIDE
from loupe.data.audit.finding import Finding, Status, named
from loupe.data.audit.folder import Seen

ENOUGH = 10
CLEAR = 0.2
"""Size of a correlation that decides, where its whole interval lies on that side of zero."""
_Z = 1.959964


def check_direction(rated: Rated, seen: Seen) -> Finding:
    """Fails for a clear negative correlation, warns where it is not clearly positive, is skipped without references."""
    name = "direction"
    pairs = [
        (float(rating), facts.ssim, row.id)
        for rating, row in zip(rated.ratings, rated.rows)
        if row.reference is not None and (facts := seen.of(row)) is not None and facts.ssim is not None
    ]
    with_reference = sum(row.reference is not None for row in rated.rows)
    if len(pairs) < ENOUGH:
        words = f"{numbers.count(len(pairs))} images have a reference of their shape; wanted {ENOUGH}"
        words = words if with_reference else "no references"
        return Finding(name, Status.SKIPPED, words, dataset=rated.dataset)
    ratings, likeness = (np.array([pair[place] for pair in pairs], np.float64) for place in (0, 1))
    rho = rank_correlation(ratings, likeness)
    if rho is None:
        words = "ratings, or SSIM to the references, are all equal"
        return Finding(name, Status.SKIPPED, words, dataset=rated.dataset)
    low, high = _interval(rho, len(pairs))
    found: dict[str, Any] = {"measure": f"SSIM of images reduced to {SIDE} pixels", "images": len(pairs)}
    found |= {"with_reference": with_reference, "rho": rho, "low": low, "high": high}
    words = f"Spearman {numbers.interval(rho, low, high)} of ratings with SSIM, {numbers.count(len(pairs))} images"
    if rho >= CLEAR and low > 0:
        return Finding(name, Status.OK, words, dataset=rated.dataset, numbers=found)
    if rho <= -CLEAR and high < 0:
        advice = "ratings run against likeness to the reference: mend higher_is_better, or the column that is read"
        # The images where both disagree most are the quickest to look at.
        worst = sorted(pairs, key=lambda pair: pair[0] - 4 * pair[1])
        lines = [f"{printable(name)}: rating {numbers.rating(r)}, SSIM {numbers.fixed(s)}" for r, s, name in worst]
        return Finding(name, Status.FAIL, words, advice, rated.dataset, found, named(lines))
    advice = "not clearly positive: look whether images and their ratings belong together"
    return Finding(name, Status.WARN, words, advice, rated.dataset, found)


def rank_correlation(first: Numbers, second: Numbers) -> float | None:
    """Spearman's rho with ties at their mean rank, -1..1; None where either side is constant."""
    x, y = (_centred_ranks(values) for values in (first, second))
    size = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return None if size == 0 else max(-1.0, min(1.0, float((x * y).sum()) / size))


def _centred_ranks(values: Numbers) -> Numbers:
    """Ranks of `values` (N,) less their mean; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return ranks[places] - (values.size + 1) / 2


def _interval(rho: float, count: int) -> tuple[float, float]:
    """95 % interval through Fisher's z."""
    z = math.atanh(max(-0.999999, min(0.999999, rho)))
    half = _Z * math.sqrt(1.06 / (count - 3))
    return math.tanh(z - half), math.tanh(z + half)
