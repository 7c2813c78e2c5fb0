"""An audit as lines of text, for the screen: from what audit.json holds to cells."""

from collections.abc import Mapping
from typing import Any

from loupe.bench.pages import difference, interval
from loupe.core import numbers

HEAD = ("check", "figure", "n", "value [95 %]", "verdict")


def cells(audit: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One line a figure; the name of a section has a line of its own, that of a check stands at its first figure."""
    lines: list[tuple[str, ...]] = []
    section = None
    for row in audit["rows"]:
        if row["section"] != section:
            section = row["section"]
            lines.append((section.upper(), "", "", "", ""))
        for place, figure in enumerate(row["figures"]):
            value = difference(figure["value"]) if figure["signed"] else interval(figure["value"])
            verdict = "" if figure["verdict"] == "none" else figure["verdict"]
            lines.append((row["name"] if place == 0 else "", figure["words"], numbers.count(row["n"]), value, verdict))
    return lines


def verdict_line(audit: Mapping[str, Any]) -> str:
    """How many checks came to which verdict."""
    counts = audit["verdicts"]
    return ", ".join(f"{numbers.count(counts[name])} {name}" for name in ("green", "grey", "red"))


def red_lines(audit: Mapping[str, Any]) -> list[str]:
    """One line for each likely reason, with the red checks that it stands for."""
    return [f"red: {'; '.join(item['rows'])}. Likely reason: {item['reason']}." for item in audit["red"]]
