"""Rows of plain text without a head: `mos name`, `name dmos`, `name,elo`, `reference name mos std`.

The columns of the recipe are places counted from 0. A line is split at `options.separator`, or at white space.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.columns import make_row
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of every file, in order. Raises DataError naming file and line."""
    spread = Spread(recipe)
    for path in files:
        for where, words in words_of(path, recipe):
            yield make_row(_cells(words, recipe, where=where), spread, where=where)


def words_of(path: Path, recipe: Recipe) -> Iterator[tuple[str, list[str]]]:
    """Where each line stands, and its words; empty lines are skipped."""
    separator = recipe.options.get("separator")
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield f"{path}, line {number}", [word.strip() for word in line.strip().split(separator)]


def _cells(words: list[str], recipe: Recipe, *, where: str) -> dict[str, str]:
    wanted = {meaning: place for meaning, place in recipe.columns.items() if place}
    if odd := [f"{meaning}={place}" for meaning, place in wanted.items() if not place.isdecimal()]:
        raise ConfigError(f"got columns.{odd[0]}; the file has no names: wanted a place counted from 0, or nothing")
    places = {meaning: int(place) for meaning, place in wanted.items()}
    if max(places.values()) >= len(words):
        raise DataError(f"{where}: holds {len(words)} words; wanted {max(places.values()) + 1} or more")
    return {meaning: words[place] for meaning, place in places.items()}
