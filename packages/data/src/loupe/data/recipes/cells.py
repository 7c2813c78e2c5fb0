"""From the cells of one row to a `LabelRow`, the same for every table format."""

import math
from collections.abc import Iterable, Mapping

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import on_mos_scale

MEANINGS = ("image", "mos", "std", "reference", "group", "split", "distortion", "level")


def find_columns(recipe: Recipe, names: Iterable[object], *, where: str) -> dict[str, int]:
    """Place of each column of the recipe among the `names` of a file; case and spaces at the ends do not count.

    Raises DataError naming what is missing and what is there, and for a meaning that is none of `MEANINGS`.
    """
    if odd := [meaning for meaning in recipe.columns if meaning not in MEANINGS]:
        raise DataError(f"{recipe.name}: columns has {odd[0]!r}; wanted {', '.join(MEANINGS)}")
    texts = [text(name) for name in names]
    places = {name.casefold(): place for place, name in reversed(list(enumerate(texts)))}
    wanted = {meaning: name for meaning, name in recipe.columns.items() if name}
    missing = [name for name in wanted.values() if name.strip().casefold() not in places]
    if missing:
        there = ", ".join(printable(name) for name in texts[:12]) or "nothing"
        raise DataError(f"{where}: no column {missing[0]!r}; it has {there}; set columns.MEANING=NAME, or header=ROW")
    return {meaning: places[name.strip().casefold()] for meaning, name in wanted.items()}


def make_row(cells: Mapping[str, str], recipe: Recipe, *, where: str) -> LabelRow:
    """The row that cells of text say, by their meanings; `where` names file and row in an error.

    Raises DataError for a cell that should be a number and is none, and for an empty image name.
    """
    name = cells.get("image", "")
    if not name:
        raise DataError(f"{where}: the image has no name; wanted one in column {recipe.columns.get('image')!r}")
    std = cells.get("std", "")
    level = cells.get("level", "")
    return LabelRow(
        image=_named(name, recipe, where=where),
        mos=number(cells["mos"], where=where) if "mos" in cells else math.nan,
        mos_std=on_mos_scale(number(std, where=where), recipe, where=where) if std and recipe.std != "none" else None,
        reference=cells.get("reference") or None,
        group=cells.get("group") or None,
        split=cells.get("split") or None,
        distortion=cells.get("distortion") or None,
        level=round(number(level, where=where)) if level else None,
    )


def number(word: str, *, where: str) -> float:
    """The finite number in a cell. Raises DataError."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: got {printable(word[:40])!r}; wanted a number")
    return value


def text(cell: object) -> str:
    """A cell as text without spaces at its ends; a whole number has no point, an empty cell is ""."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _named(name: str, recipe: Recipe, *, where: str) -> str:
    if not recipe.image_name:
        return name
    try:
        return recipe.image_name.format(name)
    except (LookupError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}: image_name {recipe.image_name!r} cannot take {printable(name)!r} ({error})"
        ) from error
