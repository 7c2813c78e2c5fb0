"""Reading a file of rows that one of Loupe's own runs wrote: a record a row, and one line about a row that is none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from loupe.core.errors import DataError
from loupe.core.files import read_jsonl

T = TypeVar("T")


def read_rows(path: Path | str, make: Callable[[dict[str, Any]], T], *, what: str, advice: str) -> list[T]:
    """`make` of every row, in order. `what` a row should be and `advice` where it is not go into the message.

    Raises MissingFileError, and DataError for a row of another form.
    """
    return [
        _made(make, row, where=f"{path}, row {number} is no {what}", advice=advice)
        for number, row in enumerate(read_jsonl(path), start=1)
    ]


def _made(make: Callable[[dict[str, Any]], T], row: dict[str, Any], *, where: str, advice: str) -> T:
    try:
        return make(row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} ({error!r:.120}); {advice}") from error
