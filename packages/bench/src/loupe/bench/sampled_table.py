"""Tables of what several judgements and the fast mode reach, as text cells, from the contents of summary.json."""

from collections.abc import Mapping
from typing import Any

from loupe.bench.pages import difference
from loupe.bench.predictions import FAST
from loupe.core import numbers

Summary = Mapping[str, Any]
"""The contents of summary.json."""
SAMPLED_HEAD = ("look", "first answer, SRCC", "mean, SRCC", "gain of the mean", "spread", "spread to error, SRCC")
FAST_HEAD = ("", "SRCC", "PLCC", "RMSE", "unusable")


def sampled_rows(summary: Summary) -> list[list[str]]:
    """A line a look (or a data set) that was judged several times; none where each image was judged once."""
    return [
        [
            f"{look}, {numbers.count(row['samples'])} answers",
            numbers.interval(*row["first"]["srcc"]),
            numbers.interval(*row["mean"]["srcc"]),
            difference(row["gain_srcc"]),
            numbers.rating(row["spread"][0]),
            numbers.interval(*row["spread_error"], places=2),
        ]
        for look, row in summary.get("sampled", {}).items()
    ]


def fast_rows(summary: Summary) -> list[list[str]]:
    """The line of an evaluation in the fast mode; none of any other."""
    scores = summary["looks"].get(FAST, {}).get("all")
    if scores is None or scores["expected"] is None:
        return []
    found = scores["expected"]["all"]
    cells = [numbers.interval(*found[name]) for name in ("srcc", "plcc", "rmse")]
    return [["read off in one pass", *cells, numbers.percent(scores["unusable_share"])]]
