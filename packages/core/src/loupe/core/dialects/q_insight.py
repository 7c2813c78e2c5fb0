"""The dialect of Q-Insight: JSON in answer tags, each tag on its own line, read by the patterns of its reward code.

Reference: arXiv 2503.22679, sections 3.3 and B.2, and its released reward functions. The first answer of the text
counts, even one inside the thinking. `"rating"` is followed by digits and points, in no quotes and with no sign; it is
not range-checked. `"distortion_class"` has to come before `"severity"`, both in double quotes: an unquoted null is not
found, and the word "null" is a class like any other. Whatever else an answer says is the choice of a comparison,
verbatim. Ours: where the code hides an exception (`3.4.2` is no number), the answer is unusable.

The layout differs between the two released scripts: scoring and degradation want one pair of braces with none inside,
comparison takes any text. Who knows the task says so to `is_laid_out`; `read`, which sees the text alone, takes an
answer without braces that speaks of image A, image B or similar for a comparison.
"""

import math
import re
from collections.abc import Iterator

from loupe.core.dialects.record import Answer
from loupe.core.dialects.tags import ANSWER, END_ANSWER, END_THINK, THINK, answers, thinking

_RATING = re.compile(r'"rating"\s*:\s*([\d.]+)')
_CLASS = re.compile(r'"distortion_class"\s*:\s*"([^"]+)"')
_SEVERITY = re.compile(r'"severity"\s*:\s*"([^"]+)"')
_COMPARES = re.compile(r"image\s+[ab]\b|\bsimilar\b|^\W*[ab]\W*$", re.IGNORECASE)


def read(text: str) -> Answer:
    """Answer in a completion; never raises."""
    first = answers(text, limit=1)
    body = first[0].strip() if first else ""
    rating, problem = _rating(body)
    words = _degradation(body)
    choice = body if body and rating is None and words is None and problem is None and "{" not in body else None
    said = {
        "distortion_class": words is not None,
        "severity": words is not None,
        "rating": rating is not None,
        "choice": choice is not None,
    }
    nothing = "nothing that the patterns know" if first else "no complete <answer>…</answer>"
    return Answer(
        rating=rating,
        distortion_class=words[0] if words else None,
        severity=words[1] if words else None,
        choice=choice,
        think=thinking(text)[0],
        said=tuple(key for key, given in said.items() if given),
        well_formed=is_laid_out(text, compares="{" not in body and _COMPARES.search(body) is not None),
        problem=None if any(said.values()) else problem or nothing,
    )


def _rating(body: str) -> tuple[float | None, str | None]:
    """The number, and what is wrong with it; both None where none was written."""
    found = _RATING.search(body)
    if found is None:
        return None, None
    try:
        rating = float(found.group(1))
    except ValueError:
        rating = math.nan
    return (rating, None) if math.isfinite(rating) else (None, f"rating {found.group(1)[:20]!r} is no number")


def _degradation(body: str) -> tuple[str, str] | None:
    """Class and the first severity after it; None unless both are there."""
    distortion = _CLASS.search(body)
    severity = _SEVERITY.search(body, distortion.end()) if distortion else None
    return (distortion.group(1).strip(), severity.group(1).strip()) if distortion and severity else None


def is_laid_out(text: str, *, compares: bool) -> bool:
    """Tags on lines of their own around the thinking and the answer, with blanks before each line's end; between the
    answer tags one pair of braces, or any text where the task is to compare."""
    rest = text.rstrip()
    if not (text.startswith(THINK) and rest.endswith(END_ANSWER)):
        return False
    inner, first_line = rest[: -len(END_ANSWER)], _blank_after(text, len(THINK))
    opened = first_line.find("\n")
    if opened < 0 or "\n" not in _blank_before(inner):
        return False
    return any(
        _closes_on_a_line(inner[:close], after=len(THINK) + opened)
        and (_has_a_line(inner[start:]) if compares else _is_one_object(inner[start:]))
        for close, start in _joints(inner)
    )


def _joints(text: str) -> Iterator[tuple[int, int]]:
    """Where `</think>` starts and `<answer>` ends, for each pair with a line's end and blanks alone between them."""
    start = text.find(ANSWER)
    while start >= 0:
        before = text[:start].rstrip()
        if text[start - 1 : start] == "\n" and before.endswith(END_THINK):
            yield len(before) - len(END_THINK), start + len(ANSWER)
        start = text.find(ANSWER, start + 1)


def _closes_on_a_line(text: str, *, after: int) -> bool:
    """A line ends, later than the one at `after`, with blanks alone behind it."""
    blank = _blank_before(text)
    return "\n" in blank and len(text) - len(blank) + blank.rfind("\n") > after


def _is_one_object(text: str) -> bool:
    """Blanks, a line's end, and braces with none inside of them."""
    blank, body = _blank_after(text, 0), text.strip()
    inside = body[1:-1]
    braced = len(body) > 1 and body[0] == "{" and body[-1] == "}" and not set("{}") & set(inside)
    return braced and blank.endswith("\n")


def _has_a_line(text: str) -> bool:
    """A line's end after the tag with blanks alone before it, and another one, later, with blanks alone behind it."""
    opened = _blank_after(text, 0).find("\n")
    return opened >= 0 and _closes_on_a_line(text, after=opened)


def _blank_after(text: str, place: int) -> str:
    return text[place : len(text) - len(text[place:].lstrip())]


def _blank_before(text: str) -> str:
    return text[len(text.rstrip()) :]
