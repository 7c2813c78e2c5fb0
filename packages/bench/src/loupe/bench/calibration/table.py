"""Tables of calibrated intervals as text cells, for the screen and for Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from loupe.core import numbers

HEAD = ("intervals", "counted by", "wanted", "held [95 % interval]", "mean width")
RANGE_HEAD = ("range", "images by label", "held", "images by rating", "held")
KINDS = {"absolute": "rating points", "scaled": "scaled by spread"}


def level_rows(data: Mapping[str, Any], *, alphas: Sequence[float] | None = None) -> list[list[str]]:
    """A line a kind, a way to count and a level of coverage.json; the chosen level alone where none is asked for."""
    wanted = [data["chosen"]["alpha"]] if alphas is None else list(alphas)
    return [
        [
            KINDS[row["nonconformity"]] + (" (chosen)" if _is_chosen(row, data) else ""),
            row["by"],
            numbers.percent(1 - row["alpha"], 0),
            _cell(row["coverage"]),
            numbers.rating(row["width"]),
        ]
        for row in data["levels"]
        if row["alpha"] in wanted
    ]


def range_rows(data: Mapping[str, Any]) -> list[list[str]]:
    """A line a range: coverage of the images with such a label, and of those with such a rating."""
    return [
        [
            f"{label['low']:.0f}–{label['high']:.0f}",
            numbers.count(label["n"]),
            _cell(label["coverage"]),
            numbers.count(rating["n"]),
            _cell(rating["coverage"]),
        ]
        for label, rating in zip(data["by"]["label"], data["by"]["rating"], strict=True)
    ]


def verdict_line(data: Mapping[str, Any]) -> str:
    """What was measured, in a sentence."""
    chosen = data["chosen"]
    held, wanted = numbers.percent(chosen["coverage"][0]), numbers.percent(data["wanted"], 0)
    calibrated = f"calibrated on {numbers.count(data['calibration']['n'])} images"
    judged = f"of {numbers.count(data['n'])} images that were not calibrated on"
    return f"intervals that shall hold {wanted} hold {held} {judged} ({calibrated})"


def _is_chosen(row: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    return all(row[name] == data["chosen"][name] for name in ("nonconformity", "by", "alpha"))


def _cell(cell: Sequence[float | None]) -> str:
    value, low, high = cell
    if low is None or high is None:
        return numbers.percent(value)
    return f"{numbers.percent(value)} [{numbers.percent(low)}, {numbers.percent(high)}]"
