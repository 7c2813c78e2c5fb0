"""How opinions lie on their scale: histograms for the page, rows that nobody rated, and ties.

Ties are counted in pairs: the share of pairs of images with the same mos. A rank correlation cannot order them, so a
label file that was rounded to a few levels caps what any model can reach. The limit is ours.
"""

from typing import Any

import numpy as np

from loupe.core import numbers
from loupe.data.audit.by_dataset import Numbers, Rated
from loupe.data.audit.finding import Finding, Status

MOST_TIES = 0.05
"""Share of tied pairs above which labels are coarse; 5 even levels have .2, two decimals on 1..5 about .004."""
BINS = 20


def check_opinions(rated: Rated) -> Finding:
    """Warns of many ties and of rows without a rating; fails where all opinions are equal."""
    name, unrated = "opinions", len(rated.samples) - len(rated.rows)
    if not rated.rows:
        return Finding(name, Status.SKIPPED, "nobody rated these images", dataset=rated.dataset)
    tied = tied_share(rated.mos)
    found: dict[str, Any] = {
        "rated": len(rated.rows),
        "unrated": unrated,
        "distinct": len(np.unique(rated.mos)),
        "tied_pairs": tied,
        "mean_rating": float(rated.ratings.mean()),
        "std_rating": float(rated.ratings.std()),
    }
    words = f"{numbers.count(len(rated.rows))} rated, {numbers.count(found['distinct'])} distinct values"
    words += f", {numbers.percent(tied)} of pairs tied"
    if len(rated.rows) > 1 and found["distinct"] == 1:
        return Finding(name, Status.FAIL, words, "all opinions are equal: read another column", rated.dataset, found)
    advice: list[str] = []
    if tied is not None and tied > MOST_TIES:
        advice.append("labels are coarse: rank correlations are capped; look for a label file with more decimals")
    if unrated:
        words += f", {numbers.count(unrated)} without a rating"
        advice.append("rows without a rating can only be learnt from as distortions or in comparisons")
    status = Status.WARN if advice else Status.OK
    return Finding(name, status, words, "; ".join(advice), rated.dataset, found)


def tied_share(values: Numbers) -> float | None:
    """Share of pairs of `values` (N,) that are equal, 0..1; None for fewer than two."""
    pairs = values.size * (values.size - 1) / 2
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1) / 2).sum() / pairs) if pairs else None


def histogram(rated: Rated, *, split: str) -> dict[str, Any]:
    """Counts of mos in BINS equal bins over the declared scale, or over the values where they leave it."""
    values = np.array([row.mos for row in rated.rows if row.split == split])
    low, high = min(rated.low, float(rated.mos.min())), max(rated.high, float(rated.mos.max()))
    counts, edges = np.histogram(values, bins=BINS, range=(low, high if high > low else low + 1))
    return {"counts": counts.tolist(), "edges": edges.tolist()}
