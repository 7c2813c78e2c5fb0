"""The formats that predictions come in, and which one a file has, by what stands in it and not by what it is called."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loupe.bench.score_file import deqa, visualquality_r1, zoom_iqa
from loupe.bench.score_file.rows import Row, number
from loupe.bench.score_file.tables import layout, read_table
from loupe.core.errors import ConfigError, DataError, MissingFileError

CSV, ZOOM_IQA, DEQA, VISUALQUALITY_R1 = "csv", "zoom-iqa-jsonl", "deqa-json", "visualquality-r1-txt"
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True)
class Format:
    """How to read a format, and the scale that its scores are on: None where only the user knows."""

    read: Callable[[Path], list[Row]]
    scale: tuple[float, float] | None


FORMATS: dict[str, Format] = {
    CSV: Format(lambda path: read_table(path, columns={}), None),
    ZOOM_IQA: Format(zoom_iqa.read_zoom_iqa, zoom_iqa.SCALE),
    DEQA: Format(deqa.read_deqa, deqa.SCALE),
    VISUALQUALITY_R1: Format(visualquality_r1.read_visualquality_r1, visualquality_r1.SCALE),
}


def check_format(name: str) -> None:
    """Raises ConfigError for a name that is no format."""
    if name not in FORMATS:
        raise ConfigError(f"got the format {name!r}; wanted one of {', '.join(FORMATS)}")


def guess_format(path: Path) -> str:
    """Name of the format that the first lines of the file have. Raises MissingFileError, DataError."""
    if not path.is_file():
        raise MissingFileError(f"no file {path}; give the file with the predictions")
    with path.open("rb") as stream:
        start = stream.read(_SAMPLE).decode("utf-8-sig", errors="replace")
    first = next((line.strip() for line in start.splitlines() if line.strip()), "")
    if not first:
        raise DataError(f"{path} is empty; wanted a line an image")
    if first[0] in "{[":
        return _of_json(start, first, path)
    delimiter, _ = layout(path)
    words = first.rsplit(maxsplit=1)
    if delimiter not in first and len(words) == 2 and math.isfinite(number(words[1])):
        return VISUALQUALITY_R1
    if delimiter in first:
        return CSV
    raise DataError(f"{path} begins with {first[:60]!r}, which is no format known here; wanted {', '.join(FORMATS)}")


def _of_json(start: str, first: str, path: Path) -> str:
    row = _first_object(start, first)
    if {"sample", "episode"} <= set(row):
        raise DataError(f"{path} holds predictions of Loupe; its summary.json has their figures, see loupe report")
    if "logits" in row or "probs" in row:
        return DEQA
    if "model_score" in row or "rating" in row:
        return ZOOM_IQA
    raise DataError(
        f"{path} has JSON rows with {', '.join(map(str, row))[:80] or 'nothing'}; wanted model_score or rating "
        "(Zoom-IQA), or logits (DeQA-Score)"
    )


def _first_object(start: str, first: str) -> dict[str, Any]:
    """The first JSON object of the file, or an empty one where its beginning is none."""
    text = start.lstrip().removeprefix("[").lstrip() if first[0] == "[" else first
    try:
        found: Any = json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
