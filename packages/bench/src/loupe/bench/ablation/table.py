"""The tables of an ablation as text cells, for the screen, for Markdown and the page; and the raw numbers as CSV."""

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from loupe.bench.ablation.figures import IMAGE_METRICS, METRICS, Metric
from loupe.bench.pages import difference
from loupe.bench.text_table import TextTable, markdown_table
from loupe.core import numbers

Data = Mapping[str, Any]
"""The contents of ablation.json."""


def figure_table(data: Data) -> TextTable:
    """Every row's mean figures with their 95 % intervals, and how many of its seeds are in them."""
    asked = len(data["config"]["seeds"])
    rows = [(row["name"], _seeds(row, asked), *(_figure(row, metric) for metric in METRICS)) for row in data["rows"]]
    return TextTable(("", "seeds", *(metric.words for metric in METRICS)), tuple(rows))


def difference_table(data: Data) -> TextTable:
    """Every row less the reference row, paired, with what its intervals show in words."""
    rows = [
        (row["name"], *(_difference(row, metric) for metric in IMAGE_METRICS), verdict(row))
        for row in data["rows"]
        if row["name"] != data["reference"]
    ]
    head = (f"minus {data['reference']}", *(metric.words for metric in IMAGE_METRICS), "the intervals show")
    return TextTable(head, tuple(rows))


def short_table(data: Data) -> TextTable:
    """What fits a terminal: SRCC and its paired difference, the class, and what the intervals of all metrics show."""
    srcc, _, classes, *_ = IMAGE_METRICS
    rows = [
        (row["name"], _figure(row, srcc), _difference(row, srcc), _figure(row, classes), verdict(row))
        for row in data["rows"]
    ]
    head = ("", srcc.words, f"minus {data['reference']}", classes.words, "the intervals show")
    return TextTable(head, tuple(rows))


def verdict(row: Mapping[str, Any]) -> str:
    """`better: SRCC, PLCC; higher: zooms`, over the image metrics alone; what an interval does not show is not said."""
    if not row["seeds_compared"]:
        return numbers.DASH
    found = {metric.words: word for metric in IMAGE_METRICS if (word := row["shown"].get(metric.key))}
    kinds = [word for word in ("better", "worse", "higher", "lower") if word in found.values()]
    parts = [f"{kind}: {', '.join(words for words, word in found.items() if word == kind)}" for kind in kinds]
    return "; ".join(parts) or "no difference shown"


def notes(data: Data) -> list[str]:
    """What has to be known to read the tables, a sentence or two each."""
    counts = {len(row["seeds"]) for row in data["rows"] if row["seeds"]}
    draws = numbers.count(data["config"]["n_boot"])
    lines = [
        f"Means over seeds on {numbers.count(data['images'])} images. 95 % percentile intervals of {draws} draws, each "
        f"of seeds and of the {numbers.count(data['groups'])} reference images, the same for all rows.",
        "Unusable answers are rated mid-scale and count as wrong. Class + level wants both right. The balanced error "
        "is the mean over half points of the scale of the mean absolute error there: rare ratings count like the rest.",
        "A row is called better or worse only where the interval of its paired difference leaves out zero. Each "
        "interval stands for itself: of twenty that compare equals, one is expected to leave out zero.",
    ]
    if any(1 < count < 5 for count in counts):
        lines.append(
            "Two or three seeds say little about the spread over seeds; their intervals are rather too narrow."
        )
    if 1 in counts:
        lines.append("Rows with one seed: the images alone were drawn, the spread over seeds is not in the interval.")
    return lines


def markdown(data: Data) -> str:
    """Both tables, the notes and the failures, to be pasted into a document."""
    tables = (markdown_table(table(data), shown=_escaped) for table in (figure_table, difference_table))
    parts = [*tables, "\n\n".join(notes(data))]
    if data["failures"]:
        items = [f"- {_escaped(item['cell'])}: {_escaped(item['reason'])}" for item in data["failures"]]
        parts.append("\n".join(["Not in the tables:", "", *items]))
    return "\n\n".join(parts) + "\n"


def raw_csv(data: Data) -> str:
    """A line a row, unrounded: KEY, KEY_low, KEY_high, and the same for KEY_difference. Unknown is empty."""
    stream = io.StringIO()
    columns = [
        f"{metric.key}{kind}{bound}"
        for kind in ("", "_difference")
        for metric in METRICS
        for bound in ("", "_low", "_high")
    ]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["row", "seeds", "seeds_compared", *columns])
    for row in data["rows"]:
        values = [
            number for kind in ("figures", "differences") for metric in METRICS for number in row[kind][metric.key]
        ]
        plain = ["" if value is None else json.dumps(value) for value in values]
        writer.writerow([row["name"], len(row["seeds"] or ()), row["seeds_compared"], *plain])
    return stream.getvalue()


def _figure(row: Mapping[str, Any], metric: Metric) -> str:
    return numbers.interval(*row["figures"][metric.key], places=metric.places)


def _difference(row: Mapping[str, Any], metric: Metric) -> str:
    return difference(row["differences"][metric.key])


def _seeds(row: Mapping[str, Any], asked: int) -> str:
    """How many seeds are in the row; the start model has none."""
    if row["seeds"] is None:
        return numbers.DASH
    done = len(row["seeds"])
    return numbers.count(done) if done == asked else f"{numbers.count(done)} of {numbers.count(asked)}"


def _escaped(text: str) -> str:
    """A row's name or a reason as plain text inside of a Markdown table, without tags and without a column's end."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\|*`]", r"\\\g<0>", plain)
