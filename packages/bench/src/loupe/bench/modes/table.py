"""The tables of the modes as text cells, for the screen and for Markdown."""

from collections.abc import Mapping
from typing import Any

from loupe.bench.pages import difference
from loupe.bench.text_table import TextTable, markdown_table
from loupe.core import numbers

Data = Mapping[str, Any]
"""The contents of modes.json."""


def mode_table(data: Data) -> TextTable:
    """A line a mode: agreement, speed and tokens."""
    head = ("mode", "SRCC", "PLCC", "speed", "tokens", "unusable")
    rows = [
        (
            row["words"],
            numbers.interval(*row["srcc"]),
            numbers.interval(*row["plcc"]),
            numbers.interval(*row["speed"]),
            numbers.fixed(row["tokens"], 1),
            numbers.count(row["unusable"]),
        )
        for row in data["modes"]
    ]
    return TextTable(head, tuple(rows))


def difference_table(data: Data) -> TextTable:
    """A line a pair of modes: the gain in agreement on the same images."""
    words = {row["name"]: row["words"] for row in data["modes"]}
    rows = [
        (f"{words[row['a']]} less {words[row['b']]}", difference(row["srcc"]), difference(row["plcc"]))
        for row in data["differences"]
    ]
    return TextTable(("difference, paired", "SRCC", "PLCC"), tuple(rows))


def notes(data: Data) -> list[str]:
    """What has to be known of the numbers."""
    count, groups = numbers.count(data["n"]), numbers.count(data["references"])
    return [
        f"{data['model']} on {count} images of {groups} references; 95 % intervals by bootstrap over references.",
        "Speed: images a second of processor time, fast = 1, one mode after the other on the same chunks in one "
        "process; opening files is not in it. Tokens: those that were written, an image.",
    ]


def markdown(data: Data) -> str:
    """Both tables and the notes."""
    parts = [markdown_table(table, right=True) for table in (mode_table(data), difference_table(data))]
    return "\n\n".join([*parts, "\n".join(notes(data))]) + "\n"
