"""Predictions with the opinions that they are scored against, out of a data folder or out of the file itself, and what
of either side has no partner."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loupe.bench.score_file.figures import Item
from loupe.bench.score_file.join import Joined, join
from loupe.bench.score_file.rows import Row
from loupe.core.errors import DataError
from loupe.data.store import load_samples

NAMED = 5
"""Names that are given of those without a partner."""


def labelled_by_data(rows: Sequence[Row], *, file: Path, data: Path, split: str) -> tuple[list[Item], dict[str, Any]]:
    """Items on the ratings 1..5 of a data folder, drawn by reference, and counts of what has no partner.

    Raises MissingFileError, and DataError where no row finds its image, where two find the same one, and where nobody
    rated any.
    """
    samples = load_samples(data, split)
    joined = join(rows, samples)
    if not joined.pairs:
        there = samples[0].image if samples else "no image"
        raise DataError(
            f"no row of {file} names an image of {data}, {split}: the file has {rows[0].keys[0]!r:.60}, the data "
            f"{there!r:.60}; name another split, or another column"
        )
    items = [
        Item(row.keys[0], row.score, sample.rating, sample.group, sample.dataset, row.problem)
        for row, sample in joined.pairs
        if math.isfinite(sample.rating)
    ]
    if not items:
        raise DataError(f"nobody rated the images of {data}, {split}; there is nothing to score against")
    return items, partners(joined, [sample.id for _, sample in joined.pairs if not math.isfinite(sample.rating)])


def labelled_by_file(rows: Sequence[Row], *, file: Path) -> tuple[list[Item], dict[str, Any]]:
    """Items on the opinions that the file holds, on their own scale. Raises DataError where it holds none, and where
    two rows rate one image."""
    items = [
        Item(row.keys[0], row.score, row.label, row.keys[0], row.dataset, row.problem)
        for row in rows
        if math.isfinite(row.label)
    ]
    if not items:
        raise DataError(f"{file} holds no opinions; name the data folder that does, with --data FOLDER")
    seen: set[tuple[str, str]] = set()
    for item in items:
        if (item.dataset, item.name) in seen:
            raise DataError(f"{file} rates {item.name!r:.60} twice; wanted one row an image")
        seen.add((item.dataset, item.name))
    without = [row.keys[0] for row in rows if not math.isfinite(row.label)]
    return items, partners(Joined([], [], [], []), without)


def partners(joined: Joined, unlabelled: Sequence[str]) -> dict[str, Any]:
    """How many have no partner, and the first names, by what is missing."""
    found = {
        "not_in_data": joined.unknown,
        "ambiguous": joined.ambiguous,
        "not_in_file": joined.unrated,
        "without_opinion": unlabelled,
    }
    return {name: {"count": len(names), "first": list(names[:NAMED])} for name, names in found.items()}
