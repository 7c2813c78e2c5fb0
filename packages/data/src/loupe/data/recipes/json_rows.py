"""Objects of JSON files, one at a time, each with its place for messages.

JSON Lines are read line by line, however long the file. The form of a JSON list does not allow that with Python's
parser: such a file is read whole, some 2 kB of memory a row of DeQA-Score's.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError, MissingFileError

LINES = (".jsonl", ".ndjson")


def json_objects(files: Sequence[Path]) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """File, place (`FILE, row N`) and object of every row: of JSON Lines, a list of objects, or a file that is one.

    Raises MissingFileError, and DataError for what is no JSON or no object.
    """
    for path in files:
        if not path.is_file():
            raise MissingFileError(f"no label file {path}; check root and labels of the recipe")
        for number, row in enumerate(_lines(path) if path.suffix.lower() in LINES else _whole(path), 1):
            where = f"{path}, row {number}"
            if not isinstance(row, dict):
                raise DataError(f"{where} is a {type(row).__name__}; wanted an object with keys")
            yield path, where, cast(dict[str, Any], row)


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield _parsed(line, f"{path}, line {number}")


def _whole(path: Path) -> list[Any]:
    found = _parsed(path.read_bytes(), str(path))
    return cast(list[Any], found) if isinstance(found, list) else [found]


def _parsed(text: bytes, where: str) -> Any:
    try:
        return json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        hint = "; a file with one object a line must be named .jsonl" if "Extra data" in str(error) else ""
        raise DataError(f"{where} is not JSON ({str(error)[:80]}){hint or '; repair it, or remove it'}") from error
