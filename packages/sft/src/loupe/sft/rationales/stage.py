"""One stage of the builder: a JSON Lines file with a row an item and attempt, so that it goes on after a kill.

A row that is there is never made again. Rows are written as they are made, in any order; who reads them goes by item.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from loupe.core.errors import DataError
from loupe.core.files import append_jsonl, read_jsonl

Row = dict[str, Any]


class Stage:
    """The rows of a stage. May be used by many threads, each with items of its own."""

    def __init__(self, path: Path) -> None:
        """Takes up the rows that are there. Raises DataError where one is none."""
        self.path, self._lock = path, Lock()
        self._rows: dict[tuple[str, int], Row] = {}
        for row in read_jsonl(path) if path.is_file() else []:
            try:
                self._rows[str(row["item"]), int(row["attempt"])] = row
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}: a row has no item and attempt ({error}); choose another out") from error

    def row(self, item: str, attempt: int, make: Callable[[], Row]) -> Row:
        """The row of an item and attempt, made and written where it is not there yet."""
        with self._lock:
            kept = self._rows.get((item, attempt))
        if kept is not None:
            return kept
        made: Row = {"item": item, "attempt": attempt, **make()}
        with self._lock:
            append_jsonl(self.path, made)
            self._rows[item, attempt] = made
        return made

    def rows(self) -> list[Row]:
        """All rows, by item and attempt."""
        with self._lock:
            return [self._rows[key] for key in sorted(self._rows)]
