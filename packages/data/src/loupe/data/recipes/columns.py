"""Which columns of a table a recipe means, and the row that their cells say: the same for every format of tables."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.recipes.cells import NOTHING, damage, level, name, number
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

MEANINGS = ("image", "mos", "std", "reference", "group", "split", "distortion", "level")
_WORDS = ("reference", "group", "split", "distortion", "dataset")


def column(names: Sequence[str], wanted: Sequence[str], *, where: str) -> int | None:
    """Place of the first of `wanted` among the `names` of a file, in any case; None where there is none of them.

    Raises DataError where two columns differ in their case alone.
    """
    for word in map(str.strip, wanted):
        if word in names:
            return names.index(word)
        found = [place for place, name in enumerate(names) if name.casefold() == word.casefold()]
        if len(found) > 1:
            shown = ", ".join(printable(names[place]) for place in found)
            raise DataError(f"{where}: columns {shown} differ in case alone; name one in columns")
        if found:
            return found[0]
    return None


def wanted_column(names: Sequence[str], wanted: Sequence[str], *, what: str, where: str) -> int:
    """`column`, where it must be there. Raises DataError naming the columns that are."""
    found = column(names, wanted, where=where)
    if found is None:
        has = ", ".join(map(printable, names[:14])) or "nothing"
        raise DataError(
            f"{where}: no column for {what} ({' or '.join(wanted)}); the file has {has}; set columns.{what}=NAME, "
            "header=ROW or options.separator"
        )
    return found


def find_columns(names: Sequence[str], recipe: Recipe, *, where: str) -> dict[str, int]:
    """Place of each column that the recipe names. Raises DataError, also for a meaning that is none of `MEANINGS`."""
    if odd := [meaning for meaning in recipe.columns if meaning not in MEANINGS]:
        raise DataError(f"{recipe.name}: columns has {odd[0]!r}; wanted {', '.join(MEANINGS)}")
    return {
        meaning: wanted_column(names, [word], what=meaning, where=where)
        for meaning, word in recipe.columns.items()
        if word
    }


def make_row(cells: Mapping[str, str], spread: Spread, *, where: str) -> LabelRow:
    """The row that cells say, by their meanings, as text without spaces at its ends; `where` names file and row.

    Without a column of opinions nobody rated the image. Where names of images say the damage, a level may stand alone.
    Raises DataError for a cell that is not what its column says.
    """
    recipe, std, strength = spread.recipe, cells.get("std", ""), None
    mos = number(cells["mos"], what="mos", where=where) if "mos" in cells else math.nan
    words: dict[str, Any] = {
        key: None if (cell := cells[key]).lower() in NOTHING else cell for key in _WORDS if key in cells
    }
    if cells.get("level"):
        if recipe.name_pattern:
            strength = level(cells["level"], where=where)
        else:
            words["distortion"], strength = damage(words.get("distortion"), cells["level"], where=where)
    image = name(cells.get("image"), what="image", where=where)
    return LabelRow(
        _named(image, recipe, where=where) if recipe.image_name else image,
        mos,
        None if std.lower() in NOTHING else spread.std(number(std, what="std", where=where), mos, where=where),
        level=strength,
        **words,
    )


def _named(word: str, recipe: Recipe, *, where: str) -> str:
    try:
        return recipe.image_name.format(word)
    except (LookupError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}: image_name {recipe.image_name!r} cannot take {printable(word)!r} ({error})"
        ) from error
