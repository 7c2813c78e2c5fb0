"""The table of several data sets as a page, and as cells of text for the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from loupe.bench.pages import render_page
from loupe.bench.sampled_table import SAMPLED_HEAD, sampled_rows
from loupe.bench.sets.table import FITS, STATISTICS
from loupe.bench.words import FIT_WORDS, LOOK_WORDS, MEAN_WORDS
from loupe.core import numbers

HEAD = ("", "n", "unusable", "PLCC", "SRCC", "RMSE")
SHOWN = ("plcc", "srcc", "rmse")
"""What fits a terminal of 80 columns; the page has KRCC too."""


def table_page(table: Mapping[str, Any]) -> str:
    """HTML of the content of table.json."""
    looks: dict[str, Any] = table["looks"]
    return render_page(
        "sets.html.jinja",
        table=table,
        look_words={look: LOOK_WORDS.get(look, look) for look in looks},
        fit_words=FIT_WORDS,
        mean_words=MEAN_WORDS,
        statistics=STATISTICS,
        fits=[fit for fit in FITS if any(fit in row["fitted_on_test_labels"] for row in _rows(looks))],
        sampled_head=SAMPLED_HEAD,
        sampled={look: sampled_rows(data) for look, data in looks.items()},
        failures={look: any(row["unusable"] for row in data["sets"].values()) for look, data in looks.items()},
    )


def cells(table: Mapping[str, Any], look: str) -> list[Sequence[str]]:
    """Rows under `HEAD`: the sets with failures at mid-scale, and the two means."""
    data = table["looks"][look]
    rows: list[Sequence[str]] = [
        (
            name,
            numbers.count(row["n"]),
            numbers.count(row["unusable"]),
            *(numbers.interval(*row["all"][key]) for key in SHOWN),
        )
        for name, row in data["sets"].items()
    ]
    for kind, words in MEAN_WORDS.items():
        figures = [numbers.interval(*data["means"]["all"][key][kind]) for key in SHOWN]
        rows.append((words, "", "", *figures))
    return rows


def _rows(looks: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for data in looks.values() for row in data["sets"].values()]
