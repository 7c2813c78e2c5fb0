"""Rows of a JSON file, whether it holds one list or an object a line; where the last line is torn it is left out."""

import json
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError
from loupe.core.files import read_jsonl


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The objects of the file, in order. Raises DataError where it holds anything else."""
    text = path.read_bytes()
    if not text.lstrip().startswith(b"["):
        # A file of one line without its newline is whole; `read_jsonl` would take it for a torn one.
        return [_only(text, path)] if text.strip() and b"\n" not in text.strip() else read_jsonl(path)
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({str(error)[:80]}); repair it") from error
    for place, row in enumerate(found, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, item {place} is a {type(row).__name__}; wanted an object with an image")
    return cast(list[dict[str, Any]], found)


def _only(text: bytes, path: Path) -> dict[str, Any]:
    try:
        row: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({str(error)[:80]}); repair it") from error
    if not isinstance(row, dict):
        raise DataError(f"{path} holds a {type(row).__name__}; wanted an object with an image")
    return cast(dict[str, Any], row)
