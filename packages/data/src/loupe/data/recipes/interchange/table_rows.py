"""Rows of csv files, one at a time, each with its place for messages: pandas reads them in pieces of bounded size."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loupe.core.errors import DataError, MissingFileError
from loupe.core.printable import printable

PIECE = 20_000
"""Rows that are in memory at a time."""


def table_rows(files: Sequence[Path]) -> Iterator[tuple[str, dict[str, str]]]:
    """Place (`FILE, line N`) and cells by column of every row, all as text; a cell that is not there is "".

    The first line names the columns; blanks around names and cells are dropped. Raises MissingFileError, and DataError
    for what is no table.
    """
    import pandas  # pyright: ignore[reportMissingTypeStubs]

    for path in files:
        if not path.is_file():
            raise MissingFileError(f"no label file {path}; check root and labels of the recipe")
        line = 1
        try:
            pieces: Any = pandas.read_csv(  # pyright: ignore[reportUnknownMemberType]
                path, dtype=str, keep_default_na=False, chunksize=PIECE, encoding="utf-8-sig"
            )
            for piece in pieces:
                # Rows with more cells than there are names: pandas would take the first ones for names of rows.
                if not isinstance(piece.index, pandas.RangeIndex):
                    raise DataError(f"{path}, line {line + 1}: more cells than the first line has names; mend the file")
                columns = [str(column).strip() for column in piece.columns]
                for cells in piece.itertuples(index=False, name=None):
                    line += 1
                    yield f"{path}, line {line}", dict(zip(columns, map(_text, cells), strict=True))
        except (ValueError, pandas.errors.ParserError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} cannot be read as csv ({printable(str(error))[:120]}); mend the file") from error


def column(row: Mapping[str, str], names: Sequence[str], *, where: str) -> str | None:
    """The first of `names` that is a column of the row, in any case; None where there is none of them.

    Raises DataError where two columns differ in their case alone.
    """
    for wanted in names:
        found = [key for key in row if key.lower() == wanted.lower()]
        if len(found) > 1 and wanted not in found:
            raise DataError(f"{where}: columns {', '.join(found)} differ in case alone; name one in columns")
        if found:
            return wanted if wanted in found else found[0]
    return None


def wanted_column(row: Mapping[str, str], names: Sequence[str], *, what: str, where: str) -> str:
    """`column`, where it must be there. Raises DataError naming the columns that are."""
    found = column(row, names, where=where)
    if found is None:
        has = ", ".join(printable(key) for key in list(row)[:14])
        raise DataError(f"{where}: no column for {what} ({' or '.join(names)}); the file has {has}")
    return found


def _text(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else ""
