"""Traps of label files whose columns stand on scales that their names hide: KonIQ, SPAQ, PIPAL, AGIQA, TID2013.

Ranges are those of the releases (`docs/data-audit.md` lists them).
"""

import numpy as np

from loupe.core import numbers
from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.finding import Status
from loupe.data.audit.traps.trap import Met

KONIQ_STD = 2.0
"""Deviations on 1..5 cannot be larger."""
AGIQA_STD = 1.5
"""Deviations of AGIQA-3K end at 1.452, for opinions from 0 to 4.489."""


def koniq_two_scales(rated: Rated) -> Met | None:
    """One csv has MOS on 3.91..88.39 beside SD on 1..5; the other has both on 1..5."""
    stds = rated.stds[np.isfinite(rated.stds)]
    wide = rated.mos.size > 0 and float(rated.mos.max()) > 5.01
    if wide and rated.high <= 5:
        return Met(
            Status.FAIL,
            f"MOS reaches {numbers.fixed(float(rated.mos.max()), 2)} on a declared scale up to 5: the csv with sets",
            "declare 0 to 100 (koniq10k_distributions_sets.csv), or take the csv whose MOS is on 1..5",
        )
    if wide and stds.size and float(np.median(stds)) < KONIQ_STD:
        return Met(
            Status.FAIL,
            f"MOS reaches {numbers.fixed(float(rated.mos.max()), 2)} while SD stays below "
            f"{numbers.fixed(float(stds.max()), 2)}: MOS is on 0..100, SD on 1..5",
            "multiply SD by 25, or take MOS on 1..5 as the sum of i * c_i",
        )
    return None


def spaq_std(rated: Rated) -> Met | None:
    """The release has no deviations; lists that have them keep 0..100 while they bring MOS to another scale."""
    stds = rated.stds[np.isfinite(rated.stds)]
    if not stds.size:
        return None
    if rated.width < 50 and float(stds.max()) > rated.width / 2:
        return Met(
            Status.FAIL,
            f"deviations up to {numbers.fixed(float(stds.max()), 1)} beside MOS on {numbers.fixed(rated.width, 0)} "
            "wide: they are on 0..100",
            "multiply them by the width of the scale over 100, or leave them out",
        )
    return Met(
        Status.WARN,
        "has deviations, which the release (the xlsx files) does not have",
        "say in the recipe where they come from",
    )


def pipal_elo(rated: Rated) -> Met | None:
    """Raw opinions are Elo ratings (about 900 to 1900), not on 0..1 as a well-known configuration says."""
    if not rated.mos.size:
        return None
    low, high = float(rated.mos.min()), float(rated.mos.max())
    if high > 100 and rated.high <= 100:
        found = f"Elo ratings {numbers.fixed(low, 0)} to {numbers.fixed(high, 0)} on a declared scale up to "
        return Met(Status.FAIL, found + numbers.fixed(rated.high, 0), "declare no scale: take the observed range")
    if high <= 100:
        found = f"MOS {numbers.fixed(low, 2)} to {numbers.fixed(high, 2)}: the release holds Elo ratings near 1400"
        return Met(Status.WARN, found, "somebody has rescaled the labels; find out by which range")
    return None


def agiqa_std(rated: Rated) -> Met | None:
    """Lists bring MOS to 0..100 and leave the deviation where it was, at .108 to 1.452."""
    stds = rated.stds[np.isfinite(rated.stds)]
    if not stds.size or rated.width < 20 or float(stds.max()) > AGIQA_STD:
        return None
    return Met(
        Status.FAIL,
        f"deviations end at {numbers.fixed(float(stds.max()), 2)} beside MOS on {numbers.fixed(rated.width, 0)} wide: "
        "they are on the raw scale of 0 to 5",
        f"multiply them by {numbers.fixed(rated.width / 4.489, 2)} (0..4.489 was stretched), or leave them out",
    )


def tid2013_soft_levels(rated: Rated) -> Met | None:
    """Deviations of TID2013 come from counts of won comparisons: no normal distribution of opinions has them."""
    count = sum(sample.level_probs is not None for sample in rated.samples)
    if not count:
        return None
    return Met(
        Status.FAIL,
        f"{numbers.count(count)} rows have soft levels, made of a deviation that is not that of normal opinions",
        "build with soft_levels: false",
    )
