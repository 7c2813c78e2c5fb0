"""What a file of another tool says of one image, whatever the file looks like."""

import math
from dataclasses import dataclass

from loupe.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One prediction. `score` is NaN where the tool gave none that can be used, and `problem` says what stood there.

    `keys` are the names that the image goes by in the file, the best one first: a path, a file name, an id. `label` is
    the opinion that the file itself holds, NaN where it holds none. `place` is that of
    the row in the file, from 1, a head not counted.
    """

    place: int
    keys: tuple[str, ...]
    score: float
    problem: str = ""
    label: float = math.nan
    dataset: str = ""


def number(text: object) -> float:
    """A finite number, or NaN for whatever is none."""
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        return math.nan
    if isinstance(text, str) and "_" in text:
        # Python reads 1_000 as a number; no other tool writes one so.
        return math.nan
    try:
        value = float(text)
    except (ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def names(*found: object, where: str) -> tuple[str, ...]:
    """The names among `found` that are there. Raises DataError where there is none."""
    keys = tuple(name for name in found if isinstance(name, str) and name.strip())
    if not keys:
        raise DataError(f"{where} names no image; wanted its path, its file name or its id")
    return keys
