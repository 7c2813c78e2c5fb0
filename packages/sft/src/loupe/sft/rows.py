"""A row of a file of rationales: what a person or a program wrote there is used as it is, or refused by its field."""

import re
from math import isfinite
from typing import Any, cast

from loupe.core.records import Rationale

_ROUNDING = 1e-6
"""How far a view may lie outside of [0, 1]."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of letters, of which no tokenizer knows what to make."""


def rationale_of(row: dict[str, Any]) -> Rationale:
    """The rationale in a row. Raises ValueError, TypeError."""
    _check("sample_id", row.get("sample_id"), ok=_is_words(row.get("sample_id")), wanted="the id of an image")
    allowed, turns = row.get("zoom_allowed", True), row.get("turns")
    _check("zoom_allowed", allowed, ok=isinstance(allowed, bool), wanted="true or false")
    _check("turns", turns, ok=isinstance(turns, list) and bool(turns), wanted="a list of at least one turn")
    for number, turn in enumerate(cast(list[Any], turns)):
        where = f"turns[{number}]"
        _check(where, turn, ok=isinstance(turn, dict), wanted="an object with view and text")
        _check(f"{where}.text", turn.get("text"), ok=_is_words(turn.get("text")), wanted="words")
        view = turn.get("view")
        _check(f"{where}.view", view, ok=_is_view(view), wanted="[x1, y1, x2, y2] in [0, 1], x1 < x2 and y1 < y2")
    return Rationale.from_json(row)


def _check(name: str, value: object, *, ok: bool, wanted: str) -> None:
    if not ok:
        raise ValueError(f"{name}: got {ascii(value)[:80]}; wanted {wanted}")


def _is_words(value: object) -> bool:
    return isinstance(value, str) and not _SURROGATE.search(value)


def _is_view(value: object) -> bool:
    if not isinstance(value, list) or len(cast(list[Any], value)) != 4:
        return False
    numbers = cast(list[Any], value)
    if any(isinstance(item, bool) or not isinstance(item, int | float) or not isfinite(item) for item in numbers):
        return False
    x1, y1, x2, y2 = numbers
    return min(numbers) >= -_ROUNDING and max(numbers) <= 1 + _ROUNDING and x1 < x2 and y1 < y2
