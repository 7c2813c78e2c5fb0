"""Rows of a csv or of a workbook with named columns: the reader of most releases, and the base of other formats.

A csv is read in pieces, so that its length does not matter; a workbook is read whole, for its format is an archive (its
sheets hold a million rows at most).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from loupe.core.errors import DataError, MissingFileError
from loupe.core.printable import printable
from loupe.data.recipes.cells import text
from loupe.data.recipes.columns import find_columns, make_row
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

CHUNK = 20_000
"""Rows of a csv that are held at a time."""

Find = Callable[..., dict[str, int]]
"""Place of each wanted column by its meaning, from the names of a file; keyword `where` names the file in an error."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of every file, in order. Raises DataError naming file and row."""
    spread = Spread(recipe)
    for path in files:
        for where, cells in cells_of(path, recipe):
            yield make_row(cells, spread, where=where)


def cells_of(path: Path, recipe: Recipe, *, find: Find | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row stands, and its cells by their meaning, without spaces at their ends; empty rows are skipped.

    `find` finds the columns, else `find_columns` does. Raises MissingFileError, and DataError for what is no table.
    """
    find = find or partial(find_columns, recipe=recipe)
    if not path.is_file():
        raise MissingFileError(f"no label file {path}; check root and labels of the recipe")
    prefix = f"{path}, {'row' if _is_book(path) else 'line'} "
    for first, names, frame in _pieces(path, recipe):
        places = find(names, where=str(path))
        picked = [map(text, frame.iloc[:, place].tolist()) for place in places.values()]
        for line, row in enumerate(zip(*picked, strict=True), start=first):
            if any(row):
                yield f"{prefix}{line}", dict(zip(places, row, strict=True))


def _is_book(path: Path) -> bool:
    return path.suffix.lower() in (".xlsx", ".xlsm")


def _pieces(path: Path, recipe: Recipe) -> Iterator[tuple[int, list[str], Any]]:
    """Number of the first row, names of the columns and rows of cells, a piece at a time."""
    import pandas  # pyright: ignore[reportMissingTypeStubs]

    pd: Any = pandas
    first = recipe.header + 1
    for frame in _frames(path, recipe):
        # Rows with more cells than there are names: pandas takes the first ones for names of rows, and all cells shift.
        if not isinstance(frame.index, pd.RangeIndex):
            raise DataError(f"{path}, line {first}: more cells than the first line has names; mend the file")
        yield first, list(map(text, frame.columns)), frame
        first += len(frame)


def _frames(path: Path, recipe: Recipe) -> Iterator[Any]:
    import pandas  # pyright: ignore[reportMissingTypeStubs]

    pd: Any = pandas
    head = recipe.header - 1 if recipe.header > 0 else None
    try:
        if _is_book(path):
            yield pd.read_excel(path, sheet_name=recipe.sheet or 0, header=head, dtype=object, engine="openpyxl")
            return
        # As objects: pandas' own type for text gives its cells out one by one, and slowly.
        options: dict[str, Any] = {"dtype": object, "keep_default_na": False, "skip_blank_lines": False}
        options |= {
            "encoding": "utf-8-sig",
            "encoding_errors": "surrogateescape",
            "sep": recipe.options.get("separator", ","),
        }
        with pd.read_csv(path, header=head, chunksize=CHUNK, **options) as pieces:
            yield from pieces
    except (ValueError, KeyError, OSError, BadZipFile, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        if isinstance(error, DataError):
            raise
        kind = "a workbook" if _is_book(path) else "csv"
        reason = printable(str(error).splitlines()[0])[:100]
        raise DataError(f"{path}: cannot be read as {kind} ({reason}); mend the file") from error
