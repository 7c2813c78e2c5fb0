"""Rows of a csv or of a workbook with named columns: the reader of most releases.

A csv is read in pieces, so that its length does not matter; a workbook is read whole, for its format is an archive (its
sheets hold a million rows at most).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from loupe.core.errors import DataError
from loupe.data.recipes.cells import find_columns, make_row, text
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

CHUNK = 20_000
"""Rows of a csv that are held at a time."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of every file, in order. Raises DataError naming file and row."""
    for path in files:
        for where, cells in cells_of(path, recipe):
            yield make_row(cells, recipe, where=where)


def cells_of(path: Path, recipe: Recipe, *, extra: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row stands, and its cells by their meaning and by the names in `extra`; empty rows are skipped."""
    for first, names, rows in _pieces(path, recipe):
        places = find_columns(recipe, names, where=str(path))
        plain = {text(name): place for place, name in enumerate(names)}
        if lacking := [name for name in extra if name not in plain]:
            raise DataError(f"{path}: no column {lacking[0]!r}; wanted {', '.join(extra)}")
        places |= {name: plain[name] for name in extra}
        for line, row in enumerate(rows, start=first):
            cells = {meaning: text(row[place]) for meaning, place in places.items()}
            if any(cells.values()):
                yield f"{path}, row {line}", cells


def _pieces(path: Path, recipe: Recipe) -> Iterator[tuple[int, list[object], Iterator[Any]]]:
    """Number of the first row, names of the columns and rows of cells, a piece at a time."""
    import pandas  # pyright: ignore[reportMissingTypeStubs]

    pd: Any = pandas
    book = path.suffix.lower() in (".xlsx", ".xlsm")
    head = recipe.header - 1 if recipe.header > 0 else None
    first = recipe.header + 1
    try:
        if book:
            sheet: Any = recipe.sheet or 0
            frame = pd.read_excel(path, sheet_name=sheet, header=head, dtype=object, engine="openpyxl")
            yield first, list(frame.columns), frame.itertuples(index=False, name=None)
            return
        options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "skip_blank_lines": False}
        options |= {"encoding": "utf-8-sig", "encoding_errors": "replace", "sep": recipe.options.get("separator", ",")}
        with pd.read_csv(path, header=head, chunksize=CHUNK, **options) as pieces:
            for piece in pieces:
                yield first, list(piece.columns), piece.itertuples(index=False, name=None)
                first += len(piece)
    except (ValueError, KeyError, OSError, BadZipFile, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        kind = "workbook" if book else "csv"
        raise DataError(f"{path}: cannot be read as a {kind} ({str(error).splitlines()[0][:100]})") from error
