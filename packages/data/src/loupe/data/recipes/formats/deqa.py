"""Meta files of DeQA-Score (arXiv 2501.11561): the rows that the field hands around, one JSON list a split.

A row holds `image`, `gt_score` (the raw opinion), `gt_score_norm` (1..5 by the smallest and largest opinion of the
whole set), `std`, `std_norm` (times four over the same range) and, for training, `level_probs` (best level first).
Test rows have no `level_probs`. With `options.value: gt_score_norm` the stretched opinion is read with its own
deviation, never one with the other's. The split is a word of the file's name (`train_koniq_7k.json`). The
conversations are another project's words and are not read. A JSON list is read whole.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.cells import first_of, is_nothing, name, number, optional_number, shown
from loupe.data.recipes.json_rows import json_objects
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.split_name import split_in_name
from loupe.data.recipes.spread import Spread

SPREADS = {"gt_score": "std", "gt_score_norm": "std_norm"}
"""Deviation that stands on the scale of each opinion."""
SLACK = 0.05
"""How far five shares may be from a sum of 1: DeQA-Score cuts corrected shares at 0 and leaves the sum as it is."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises ConfigError, MissingFileError, and DataError naming file and row."""
    key = str(recipe.options.get("value", "gt_score"))
    if key not in SPREADS:
        raise ConfigError(f"got options.value={key!r}; wanted {' or '.join(SPREADS)}")
    spread = Spread(recipe)
    for path, where, row in json_objects(files):
        mos = number(first_of(row, key, where=where), what=key, where=where)
        deviation = optional_number(row.get(SPREADS[key]), what=SPREADS[key], where=where)
        yield LabelRow(
            image=name(first_of(row, "image", where=where), what="image", where=where),
            mos=mos,
            mos_std=spread.std(deviation, mos, where=where),
            split=split_in_name(path),
            level_probs=_level_probs(row.get("level_probs"), where=where),
        )
    spread.close(where=", ".join(str(path) for path in files))


def _level_probs(value: Any, *, where: str) -> tuple[float, ...] | None:
    if is_nothing(value):
        return None
    if not isinstance(value, list) or len(value) != 5:  # pyright: ignore[reportUnknownArgumentType]
        raise DataError(f"{where}: level_probs is {shown(value)}; wanted five shares, the best level first")
    shares = tuple(number(item, what="a share of level_probs", where=where) for item in value)  # pyright: ignore[reportUnknownVariableType]
    if min(shares) < 0.0 or abs(sum(shares) - 1.0) > SLACK:
        raise DataError(f"{where}: level_probs is {shown(value)}; wanted shares of 0 or more that sum to 1")
    return shares
