"""Single values of label files: numbers, names and severities, checked as they come, with the row in the message.

Text from these files is never trusted: a value that is not what its column says is an error that names its row, and no
value is guessed. The severity words are Q-Insight's (arXiv 2503.22679), which are those of DepictQA's levels 1 to 5.
"""

import math
from collections.abc import Mapping
from typing import Any

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.core.records import CHOICES, SEVERITIES

NOTHING = frozenset(("", "null", "none", "nan", "na", "n/a"))
"""Words that stand for no value, in lower case."""


def shown(value: Any) -> str:
    """A value of a file for one line of a message: short, and without control codes."""
    return printable(repr(value)[:80])


def is_nothing(value: Any) -> bool:
    """True for JSON's null, NaN, and the words that stand for them."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().lower() in NOTHING


def text(cell: object) -> str:
    """A cell as text without spaces at its ends; a whole number has no point, an empty cell is ""."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def number(value: Any, *, what: str, where: str) -> float:
    """A finite number, from a number or its text. Raises DataError naming `what` and `where`."""
    try:
        # Python reads 1_0 as ten, which no label file means.
        found = math.nan if isinstance(value, bool) or (isinstance(value, str) and "_" in value) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where}: {what} is {shown(value)}; wanted a finite number")
    return found


def optional_number(value: Any, *, what: str, where: str) -> float | None:
    """`number`, or None for an empty cell, null and NaN."""
    return None if is_nothing(value) else number(value, what=what, where=where)


def name(value: Any, *, what: str, where: str) -> str:
    """A file name or another word that must be there. Raises DataError."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {what} is {shown(value)}; wanted a name")
    return value.strip()


def optional_name(value: Any, *, what: str, where: str) -> str | None:
    """`name`, or None where there is no value."""
    return None if is_nothing(value) else name(value, what=what, where=where)


def first_of(row: Mapping[str, Any], *keys: str, where: str) -> Any:
    """Value under the first of `keys` that the row has. Raises DataError naming them and what the row has instead."""
    for key in keys:
        if key in row:
            return row[key]
    has = ", ".join(printable(str(key)) for key in list(row)[:12]) or "nothing"
    raise DataError(f"{where}: wanted {' or '.join(keys)}; the row has {has}")


def level(value: Any, *, where: str) -> int:
    """Severity 0 (clean) to 5, from a whole number, its text, a word, or null. Raises DataError."""
    if is_nothing(value):
        return 0
    word = value.strip().lower() if isinstance(value, str) else value
    if word in SEVERITIES:
        return SEVERITIES.index(word) + 1
    found = number(value, what="severity", where=f"{where} (words are {', '.join(SEVERITIES)})")
    if found != int(found) or not 0 <= found <= len(SEVERITIES):
        raise DataError(f"{where}: severity is {shown(value)}; wanted 0 to 5, or one of {', '.join(SEVERITIES)}")
    return int(found)


def damage(word: Any, severity: Any, *, where: str) -> tuple[str | None, int]:
    """Class word and level of a row; (None, 0) for a clean image. Raises DataError where one of them is missing."""
    found, strength = optional_name(word, what="distortion class", where=where), level(severity, where=where)
    if (found is None) != (strength == 0):
        raise DataError(
            f"{where}: distortion {shown(word)} with severity {shown(severity)}; wanted both, or none for a clean image"
        )
    return found, strength


def choice(value: Any, *, where: str) -> str:
    """Result of a comparison, as one of CHOICES; case and blanks do not matter. Raises DataError."""
    words = {option.lower(): option for option in CHOICES}
    found = words.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise DataError(f"{where}: the result is {shown(value)}; wanted {', '.join(CHOICES)}")
    return found
