"""Rows of a JSON file, whether it holds one list or an object a line; where the last line is torn it is left out."""

import json
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError
from loupe.core.files import read_jsonl


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The objects of the file, in order. Raises DataError where it holds anything else."""
    text = path.read_bytes().strip()
    # A file of one line without its newline is whole; `read_jsonl` would take it for a torn one.
    if not text.startswith(b"[") and (not text or b"\n" in text):
        return read_jsonl(path)
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({str(error)[:80]}); repair it") from error
    rows = cast(list[Any], found) if isinstance(found, list) else [found]
    for place, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, item {place} is a {type(row).__name__}; wanted an object with an image")
    return cast(list[dict[str, Any]], rows)
