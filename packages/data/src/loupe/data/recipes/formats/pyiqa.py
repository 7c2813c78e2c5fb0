"""Meta files of pyiqa (IQA-PyTorch): csv with one row an image, and several ways to split it.

Without reference `img_name,mos,std`, with one `ref_name,dist_name,mos` and perhaps `std`; KADID-10k's has `dmos` in
place of `mos`. Splits are columns: `official_split` or `split`, and `ratio802_seed123_split_01` to `_10`, which older
files write `split01`. `options.split` names the one to take. The column `std` of KADID-10k's file is the release's
`var`, digit by digit: `pyiqa_kadid` recognises it, and the recipe has to say what to make of it. Files are read in
pieces.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path

from loupe.core.errors import DataError
from loupe.data.recipes.cells import number, optional_number
from loupe.data.recipes.columns import column, make_row, wanted_column
from loupe.data.recipes.formats.pyiqa_kadid import choose_spread
from loupe.data.recipes.formats.table import cells_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

COLUMNS = {
    "image": ("img_name", "dist_name"),
    "mos": ("mos", "dmos"),
    "std": ("std",),
    "reference": ("ref_name",),
}
SPLITS = ("official_split", "split")
FIRST = 500
"""Rows that are looked at before the first one is given out."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, ConfigError, and DataError naming file and line."""
    for path in files:
        rows = cells_of(path, recipe, find=partial(_find, recipe=recipe))
        first = list(islice(rows, FIRST))
        if not first:
            raise DataError(f"{path} has no rows; wanted one an image")
        spread = Spread(choose_spread(_spreads(first), recipe, where=str(path)))
        for where, cells in chain(first, rows):
            yield make_row(cells, spread, where=where)
        spread.close(where=str(path))


def split_column(columns: Sequence[str], wanted: str, *, where: str) -> str | None:
    """The column that `wanted` names, in either spelling; "" takes the official one, None where there is none.

    Raises DataError naming the columns of splits that are there.
    """
    known = {_plain(item): item for item in columns if "split" in item.lower()}
    for word in [wanted] if wanted else SPLITS:
        if _plain(word) in known:
            return known[_plain(word)]
    if not wanted:
        return None
    there = ", ".join(known.values()) or "none"
    raise DataError(f"{where}: no column {wanted!r}; its columns of splits are {there}")


def _plain(word: str) -> str:
    """`ratio802_seed123_split_01` and `ratio802_seed123_split01` are one; so are `split_1` and `split01`."""
    return re.sub(r"_?0*(\d+)$", r"\1", word.strip().lower())


def _find(names: Sequence[str], *, recipe: Recipe, where: str) -> dict[str, int]:
    """Meaning to the column of this file."""
    found: dict[str, int] = {}
    for meaning, usual in COLUMNS.items():
        wanted = [recipe.columns[meaning]] if meaning in recipe.columns else usual
        if meaning in ("image", "mos") or meaning in recipe.columns:
            found[meaning] = wanted_column(names, wanted, what=meaning, where=where)
        elif (there := column(names, wanted, where=where)) is not None:
            found[meaning] = there
    split = str(recipe.options.get("split", "")) or recipe.columns.get("split", "")
    if (chosen := split_column(names, split, where=where)) is not None:
        found["split"] = names.index(chosen)
    return found


def _spreads(rows: Sequence[tuple[str, dict[str, str]]]) -> list[tuple[str, float, float]]:
    """Name, opinion and raw deviation of the rows that have one."""
    return [
        (cells["image"], number(cells["mos"], what="mos", where=where), found)
        for where, cells in rows
        if (found := optional_number(cells.get("std"), what="std", where=where)) is not None
    ]
