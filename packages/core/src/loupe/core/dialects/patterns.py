"""Careful patterns for an answer that is no JSON object: `{"rating": 3.42` without its brace, `Rating: 3.5/5`, `3.5`.

A key counts where a colon or an equals sign follows it, and its value only where nothing is left to guess: a number
that ends there, a word in quotes, a bare null, a list in brackets. A key that stands twice, or with a value that cannot
be read, makes the answer unusable. All of it is ours.
"""

import re
from typing import Any

_FIVE = r"\s*(?:(?:/|out\s+of)\s*5(?:\.0+)?(?![\d.]))?"
_NUMBER = rf"(?P<number>(?!0\d)\d{{1,3}}(?:\.\d{{1,6}})?){_FIVE}"
_END = r"""\s*(?:,(?!\s*\d)|[;}\]"'`*\n]|\.?\s*$|\.\s)"""
_WORD = r"""(?P<quote>["'])(?P<word>[^"'\n]{1,80})(?P=quote)"""
_NULL = r"(?P<null>null|none)\b"
_VALUES = {
    "rating": re.compile(rf"(?:{_NUMBER}|{_NULL}){_END}", re.IGNORECASE),
    "bbox_2d": re.compile(rf"\[(?P<list>[^\[\]]{{0,120}})\]|{_NULL}", re.IGNORECASE),
} | dict.fromkeys(("distortion_class", "severity", "tool", "choice"), re.compile(rf"{_WORD}|{_NULL}", re.IGNORECASE))
_KEYS = {key: re.compile(rf"""(?<!\w){key}["'`*]*\s*[:=]\**\s*""", re.IGNORECASE) for key in _VALUES}
_BARE = re.compile(rf"{_NUMBER}\.?", re.IGNORECASE)
_ITEM = re.compile(r"\s*(\d{1,3}(?:\.\d{1,6})?|\.\d{1,6})\s*")


def fields_in(text: str) -> dict[str, Any]:
    """Fields that the text of an answer states. Raises ValueError where one is there and cannot be read for certain."""
    if bare := _BARE.fullmatch(text):
        return {"rating": float(bare["number"])}
    return {key: _value(key, places, text) for key in _KEYS if (places := [*_KEYS[key].finditer(text)])}


def _value(key: str, places: list[re.Match[str]], text: str) -> Any:
    if len(places) > 1:
        raise ValueError(f"{key} is given twice")
    found = _VALUES[key].match(text, places[0].end())
    if found is None:
        raise ValueError(f"{key} has a value that nobody can be sure of")
    parts = found.groupdict()
    if parts.get("null"):
        return None
    if parts.get("number"):
        return float(parts["number"])
    return _numbers(parts["list"]) if key == "bbox_2d" else parts["word"]


def _numbers(text: str) -> list[float]:
    items = [_ITEM.fullmatch(item) for item in text.split(",")]
    if any(item is None for item in items):
        raise ValueError("bbox_2d holds something else than numbers")
    return [float(item[1]) for item in items if item is not None]
