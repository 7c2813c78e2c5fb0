"""TID2013: `mos name` a line in one file, and the deviation of the same line in another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from loupe.core.errors import DataError
from loupe.data.recipes.cells import number
from loupe.data.recipes.formats import lines
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import on_mos_scale


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of mos_with_names.txt, each with its line of mos_std.txt. Raises DataError where one is longer."""
    names, stds = files
    rows = lines.read([names], recipe)
    for row, spread in zip_longest(rows, lines.words_of(stds, recipe)):
        if row is None or spread is None:
            longer = stds if row is None else names
            raise DataError(f"{longer} has more lines than the other label file; wanted one deviation an image")
        where, words = spread
        yield replace(row, mos_std=on_mos_scale(number(words[0], what="std", where=where), recipe, where=where))
