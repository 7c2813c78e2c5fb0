"""The dialect of Zoom-IQA: JSON with bbox_2d, rating and tool in answer tags, read by the rules of its evaluator.

Reference: the released evaluator, whose first answer with braces counts. A rating is whatever `float` takes, numbers in
quotes included; it is clipped to 1..5 only when it becomes a benchmark score (`benchmark_score`). A crop is asked for
unless every number of the box is zero or the tool is "final", and only where all three keys are there. Departures:
strict JSON alone (the evaluator also tries a lenient library where that is installed), and an answer that it would
fail on is unusable. No format reward was released; the layout here (thinking, then an answer that can be routed, with a
rating in 1..5 and a tool that exists) is ours.
"""

import json
import math
from typing import Any, cast

from loupe.core.dialects.record import Answer
from loupe.core.dialects.tags import ANSWER, END_ANSWER, is_think_then_answer, thinking

KEYS = ("bbox_2d", "rating", "tool")
TOOLS = ("crop", "final")


def benchmark_score(rating: float) -> float:
    """Score on 0..100, higher is better, of a rating that is first clipped to 1..5."""
    return (min(5.0, max(1.0, rating)) - 1.0) * 25.0


def read(text: str) -> Answer:
    """Answer in a completion; never raises."""
    thought = thinking(text)[0]
    payload = _payload(text)
    if payload is None:
        return Answer(think=thought, problem="no complete <answer>{…}</answer>")
    try:
        value: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        return Answer(think=thought, problem=f"not JSON: {str(error)[:80]}")
    if not isinstance(value, dict):
        return Answer(think=thought, problem=f"JSON {type(value).__name__} instead of an object")
    body = cast(dict[str, Any], value)
    rating = _float(body.get("rating"))
    tool = body.get("tool")
    return Answer(
        rating=rating,
        bbox_2d=_box(body.get("bbox_2d")),
        tool=tool if isinstance(tool, str) else None,
        think=thought,
        said=tuple(key for key in KEYS if key in body),
        well_formed=is_think_then_answer(text.strip()) and _is_complete(body, rating),
        problem=None if rating is not None else "rating is missing or no finite number",
        wants_crop=_asks_for_crop(body),
    )


def _payload(text: str) -> str | None:
    """From the first brace behind an answer tag to the first brace before a closing one."""
    start = text.find(ANSWER)
    while start >= 0:
        opened = start + len(ANSWER)
        inside = text[opened:].lstrip()
        if inside.startswith("{"):
            return _until_closed(inside)
        start = text.find(ANSWER, opened)
    return None


def _until_closed(inside: str) -> str | None:
    end = inside.find(END_ANSWER)
    while end >= 0:
        body = inside[:end].rstrip()
        if body.endswith("}") and len(body) > 1:
            return body
        end = inside.find(END_ANSWER, end + 1)
    return None


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _box(value: Any) -> tuple[float, float, float, float] | None:
    items = cast(list[Any], value) if isinstance(value, list) else []
    numbers = [number for item in items[:4] if (number := _float(item)) is not None]
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(items) == len(numbers) == 4 else None


def _asks_for_crop(body: dict[str, Any]) -> bool:
    box = body.get("bbox_2d")
    if not set(KEYS) <= set(body) or not isinstance(box, list | str | dict):
        return False
    all_zero = all(item == 0 for item in cast(list[Any], box))
    return not (all_zero or body["tool"] == "final")


def _is_complete(body: dict[str, Any], rating: float | None) -> bool:
    rated = rating is not None and 1.0 <= rating <= 5.0 and not isinstance(body["rating"], str | bool)
    return rated and body.get("tool") in TOOLS and _box(body.get("bbox_2d")) is not None
