"""The dialect of Loupe: `<think>…</think><answer>{json}</answer>`, read as data first and by careful patterns second.

The JSON may hold rating, distortion_class, severity, bbox_2d, tool and choice; null is "none". The last complete answer
after the thinking counts: who corrects himself is taken at his last word. Where there is no answer tag at all, a whole
JSON object is the answer. What is no JSON object goes to `loupe.core.dialects.patterns`. An object without tags or in a
Markdown fence, and what patterns had to read, is usable and not well formed. The grammar is ours.
"""

import json
import math
import re
from dataclasses import replace
from typing import Any, cast

from loupe.core.dialects.patterns import fields_in
from loupe.core.dialects.record import Answer
from loupe.core.dialects.tags import ANSWER, thinking

MAX_FIELD = 64
"""Characters of a word field (class, severity, tool, choice)."""
KEYS = ("distortion_class", "severity", "bbox_2d", "rating", "tool", "choice")
"""Order in which an answer is rendered: what, how strong, where, and only then the number that follows from them."""

_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_LAYOUT = re.compile(
    r"\s*<think>(?:(?!</?think>|</?answer>).)*</think>\s*<answer>(?:(?!</?think>|</?answer>).)*</answer>\s*",
    re.DOTALL,
)
_TAG = re.compile(r"</?(?:think|answer)>")
_WORD_KEYS = ("distortion_class", "severity", "tool", "choice")
_MAY_BE_NONE = ("distortion_class", "severity")
_NONE = ("null", "none")
_FENCE = "```"


class _NotReadableError(ValueError):
    """JSON that says something else than it seems to: a key twice, or no number where one is written."""


def read(text: str, *, box_limit: float = 1.0) -> Answer:
    """Answer in a completion; never raises. An answer inside the thinking is thinking, not an answer.

    `box_limit` is the largest number that a box may hold: 1, or that of another way to count.
    """
    thought, after = thinking(text)
    bodies = _ANSWER.findall(after) or _untagged(after)
    if not bodies:
        return Answer(think=thought, problem="no complete <answer>…</answer>")
    try:
        body, is_json = _body(bodies[-1].strip())
    except (ValueError, RecursionError) as error:
        return Answer(think=thought, problem=f"not readable: {str(error)[:80]}")
    made = replace(answer_in(body, box_limit=box_limit), think=thought, said=tuple(key for key in KEYS if key in body))
    return replace(made, well_formed=is_json and _LAYOUT.fullmatch(text) is not None)


def answer_in(body: dict[str, Any], *, box_limit: float = 1.0) -> Answer:
    """Answer of the fields that were written; what is wrong with them stands in `problem`."""
    problems: list[str] = []
    fields: dict[str, Any] = {key: _word(body.get(key), key, problems) for key in _WORD_KEYS}
    fields["rating"] = _rating(body.get("rating"), problems)
    fields["bbox_2d"] = _bbox(body.get("bbox_2d"), problems, limit=box_limit)
    if not any(key in body for key in KEYS):
        problems.append("no known key")
    wants_crop = not problems and fields["tool"] == "crop" and fields["bbox_2d"] is not None
    return Answer(**fields, problem="; ".join(problems) or None, wants_crop=wants_crop)


def _untagged(text: str) -> list[str]:
    """The text itself, where it has no answer tag and is a JSON object from its first letter to its last."""
    whole = text.strip()
    return [whole] if ANSWER not in text and _unfenced(whole)[:1] == "{" and whole[-1] in "}`" else []


def _body(text: str) -> tuple[dict[str, Any], bool]:
    """The fields, and whether they were written as a bare JSON object. Raises ValueError or RecursionError."""
    plain = _unfenced(text)
    try:
        body: Any = json.loads(plain, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError:
        return fields_in(plain), False
    return (cast(dict[str, Any], body), plain == text) if isinstance(body, dict) else (fields_in(plain), False)


def _unfenced(text: str) -> str:
    """The text without the Markdown fence around it."""
    if len(text) < 2 * len(_FENCE) or not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    return text[len(_FENCE) : -len(_FENCE)].removeprefix("json").strip()


def _rating(value: Any, problems: list[str]) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not 1.0 <= number <= 5.0:
        problems.append(f"rating {str(value)[:20]!r} is no number in 1..5")
        return None
    return round(number, 2)


def _bbox(value: Any, problems: list[str], *, limit: float) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    items = cast(list[Any], value) if isinstance(value, list | tuple) else []
    numbers = [_number(item) for item in items[:4]]
    corners = [round(number, 4) for number in numbers if number is not None and 0.0 <= number <= limit]
    if len(items) != 4 or len(corners) != 4 or corners[0] >= corners[2] or corners[1] >= corners[3]:
        problems.append(f"bbox_2d {str(value)[:40]!r} is no [x1, y1, x2, y2] in 0..{limit:g}")
        return None
    return (corners[0], corners[1], corners[2], corners[3])


def _word(value: Any, key: str, problems: list[str]) -> str | None:
    if value is None:
        return None
    word = value.strip() if isinstance(value, str) else ""
    if key in _MAY_BE_NONE and word.lower() in _NONE:
        return None
    # Printable, because these words reach terminals and tables: no escape codes, no lone surrogates.
    if not word or len(word) > MAX_FIELD or not word.isprintable() or _TAG.search(word):
        problems.append(f"{key} {str(value)[:20]!r} is no word")
        return None
    return word


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise _NotReadableError("a key is given twice")
    return body


def _no_constant(name: str) -> float:
    raise _NotReadableError(f"{name} is no number")
