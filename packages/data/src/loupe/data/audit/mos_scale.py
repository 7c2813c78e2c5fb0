"""Whether raw opinions lie on the scale that is declared for them, and whether ratings are what they should be of them.

The nominal rating is 1 + 4 (mos - scale_min) / (scale_max - scale_min), turned where lower is better; the observed one
takes the smallest and largest mos of the rows in place of the ends, as DeQA-Score does. Which of them a folder holds
decides whether its ratings can stand beside those of another folder. Limits are ours.
"""

from typing import Any

import numpy as np

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.data.audit.by_dataset import Numbers, Rated
from loupe.data.audit.finding import Finding, Status, named

SMALL_PART, TINY_PART = 0.5, 0.1
"""Shares of the scale: opinions that use less than the first are worth a look, less than the second cannot be on it."""
ENOUGH = 30
"""Rows from which on the part of the scale that they use says anything."""
TOLERANCE = 0.011
"""Difference of two ratings that were rounded to two decimals, once each."""


def check_scale(rated: Rated) -> Finding:
    """Fails where mos leaves its scale, rows disagree about it, or only a tenth of it is used; warns below a half."""
    name, mos = "scale of mos", rated.mos
    if not mos.size:
        return Finding(name, Status.SKIPPED, "nobody rated these images", dataset=rated.dataset)
    low, high = float(mos.min()), float(mos.max())
    slack = 1e-6 * max(1.0, abs(rated.width))
    outside = [s for s in rated.rows if not rated.low - slack <= s.mos <= rated.high + slack]
    used = (high - low) / rated.width if rated.width > 0 else float("nan")
    found: dict[str, Any] = {
        "images": int(mos.size),
        "mos_min": low,
        "mos_max": high,
        "scale_min": rated.low,
        "scale_max": rated.high,
        "higher_is_better": rated.higher_is_better,
        "outside": len(outside),
        "used": used,
        "scales": rated.scales,
    }
    status, trouble, advice = _judged(rated, len(outside), used)
    words = f"mos {_span(low, high)} on a scale of {_span(rated.low, rated.high)}"
    words += ", higher is better" if rated.higher_is_better else ", lower is better"
    lines = [f"{printable(s.id)}: mos {numbers.fixed(s.mos)}" for s in outside]
    return Finding(name, status, f"{words}{trouble}", advice, rated.dataset, found, named(lines))


def _judged(rated: Rated, outside: int, used: float) -> tuple[Status, str, str]:
    """Status, what is wrong, and what to do."""
    if not rated.width > 0:
        return Status.FAIL, "; the scale has no width", "declare the ends of the scale in the recipe"
    if rated.scales > 1:
        return Status.FAIL, f"; rows declare {rated.scales} different scales", "give each scale a data set of its own"
    if outside:
        share = f"; {numbers.count(outside)} outside"
        return Status.FAIL, share, "declare the scale of this label file, or take the file of the declared scale"
    if rated.mos.size >= ENOUGH and used < TINY_PART:
        return Status.FAIL, f"; {numbers.percent(used)} of it is used", "the labels are on another scale: declare that"
    if rated.mos.size >= ENOUGH and used < SMALL_PART:
        return Status.WARN, f"; {numbers.percent(used)} of it is used", "check the ends of the scale in the release"
    return Status.OK, "", ""


def check_rating(rated: Rated) -> Finding:
    """Says whether ratings are the nominal or the observed ones of mos; fails where they are neither."""
    name, mos = "rating from mos", rated.mos
    if not mos.size or not rated.width > 0:
        return Finding(name, Status.SKIPPED, "no rated image on a scale", dataset=rated.dataset)
    low, high = float(mos.min()), float(mos.max())
    gaps = {
        "nominal": _gap(rated, _mapped(mos, rated.low, rated.high, better=rated.higher_is_better)),
        "observed": _gap(rated, _mapped(mos, low, high, better=rated.higher_is_better)) if high > low else np.inf,
        "turned": _gap(rated, _mapped(mos, rated.low, rated.high, better=not rated.higher_is_better)),
    }
    holds = [mapping for mapping in ("nominal", "observed") if gaps[mapping] <= TOLERANCE]
    mapping = "both" if len(holds) > 1 else holds[0] if holds else "neither"
    found: dict[str, Any] = {"mapping": mapping, "largest_difference": gaps}
    status, words, advice = _mapping(rated, holds, gaps)
    return Finding(name, status, words, advice, rated.dataset, found)


def _mapping(rated: Rated, holds: list[str], gaps: dict[str, float]) -> tuple[Status, str, str]:
    if len(holds) > 1:
        return Status.OK, "ratings are the nominal ones, and opinions reach both ends of the scale", ""
    if holds == ["nominal"]:
        return Status.OK, "ratings are the nominal ones of mos", ""
    if holds:
        advice = (
            "ratings of other data sets and splits are not comparable; build with rating=nominal unless it is meant"
        )
        return Status.WARN, "ratings are those of the observed minimum and maximum, not of the scale", advice
    if gaps["turned"] <= TOLERANCE:
        return Status.FAIL, "ratings are turned: the best opinion has the worst rating", "mend higher_is_better"
    worst = numbers.fixed(min(gaps["nominal"], gaps["observed"]), 2)
    words = f"ratings are neither the nominal nor the observed ones of mos (off by up to {worst})"
    return Status.FAIL, words, "build the folder again: rating must be mos brought to 1..5"


def _mapped(mos: Numbers, low: float, high: float, *, better: bool) -> Numbers:
    share = (mos - low) / (high - low)
    return 1 + 4 * (share if better else 1 - share)


def _gap(rated: Rated, wanted: Numbers) -> float:
    return float(np.abs(rated.ratings - wanted).max())


def _span(low: float, high: float) -> str:
    return f"{numbers.fixed(low, 2)} to {numbers.fixed(high, 2)}"
