"""The one answer grammar: what an agent writes, parsed as data, and the same data rendered as text.

An answer is `<think>…</think><answer>{json}</answer>`; the JSON may hold rating, distortion_class, severity, bbox_2d,
tool and choice. Text of a model is untrusted: whatever arrives, `parse` returns an `Answer`, never raises, never
guesses a number, and says in `problem` why an answer is unusable. Rewards and evaluation both read this record, so an
answer that is paid in training is the answer that is scored in evaluation. The grammar is ours.
"""

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, cast

MAX_TEXT = 100_000
"""Characters of a completion that are looked at; what comes later cannot be an answer that anybody meant."""
MAX_FIELD = 64
"""Characters of a word field (class, severity, tool, choice)."""

_OPEN, _CLOSE = "<think>", "</think>"
_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.DOTALL)
_LAYOUT = re.compile(
    r"\s*<think>(?:(?!</?think>|</?answer>).)*</think>\s*<answer>(?:(?!</?think>|</?answer>).)*</answer>\s*",
    re.DOTALL,
)
_TAG = re.compile(r"</?(?:think|answer)>")
_WORD_KEYS = ("distortion_class", "severity", "tool", "choice")
_KEYS = ("distortion_class", "severity", "bbox_2d", "rating", "tool", "choice")
"""Order in which `render` writes the keys: what, how strong, where, and only then the number that follows from them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent said in one turn.

    `rating` is on 1..5, higher is better. `distortion_class` and `severity` are words, None where the agent said null
    or nothing; `said` holds the keys that were written, so that "no distortion" and "not asked" differ. `bbox_2d` is
    [x1, y1, x2, y2] in [0, 1]. `problem` is None for a usable answer, else the reason in a few words.
    `well_formed` is true where the whole text has the layout think, answer, and nothing else.
    """

    rating: float | None = None
    distortion_class: str | None = None
    severity: str | None = None
    bbox_2d: tuple[float, float, float, float] | None = None
    tool: str | None = None
    choice: str | None = None
    think: str = ""
    said: tuple[str, ...] = ()
    well_formed: bool = False
    problem: str | None = None

    @property
    def usable(self) -> bool:
        """True where the text held one answer with nothing wrong in it."""
        return self.problem is None

    @property
    def wants_crop(self) -> bool:
        """True where the agent asks to look at `bbox_2d` more closely."""
        return self.usable and self.tool == "crop" and self.bbox_2d is not None

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        fields: dict[str, Any] = {**row, "said": tuple(row["said"])}
        if row["bbox_2d"] is not None:
            fields["bbox_2d"] = tuple(row["bbox_2d"])
        return cls(**fields)


def render(answer: Answer) -> str:
    """Text of a usable answer; `parse(render(a)) == a` for every answer that `answer_of` makes.

    Raises ValueError for an answer with a problem: there is no text to go back to.
    """
    if not answer.usable:
        raise ValueError(f"cannot render an unusable answer ({answer.problem}); render what parsed without a problem")
    body = {key: getattr(answer, key) for key in _KEYS if key in answer.said}
    return f"<think>{answer.think}</think><answer>{json.dumps(body, ensure_ascii=False)}</answer>"


def answer_of(think: str = "", **fields: Any) -> Answer:
    """Answer from plain fields, as if the agent had written it. Raises ValueError where no text could say it."""
    said = tuple(key for key in _KEYS if key in fields)
    if unknown := set(fields) - set(_KEYS):
        raise ValueError(f"unknown answer keys {sorted(unknown)}; known are {list(_KEYS)}")
    made = replace(_read({key: fields[key] for key in said}), think=think, said=said, well_formed=True)
    if not made.usable:
        raise ValueError(f"no answer can be made of {fields}: {made.problem}")
    again = parse(render(made))
    if again != made:
        raise ValueError(
            f"no text can say {fields} with the thinking {think[:80]!r}: leave out tags and odd characters"
        )
    return made


def parse(text: str) -> Answer:
    """Answer in a completion. Never raises; unusable text gives an Answer whose `problem` says why.

    Exactly one `<answer>` after the thinking counts. Two answers that say the same are one; two that differ are a
    problem, for nobody can know which one was meant. An answer inside `<think>` is thinking, not an answer.
    """
    text = text[:MAX_TEXT]
    thought, after = _split(text)
    well_formed = _LAYOUT.fullmatch(text) is not None
    bodies = list(dict.fromkeys(body.strip() for body in _ANSWER.findall(after)))
    if len(bodies) != 1:
        problem = "no complete <answer>…</answer>" if not bodies else f"{len(bodies)} different answers"
        return Answer(think=thought, problem=problem)
    try:
        body: Any = json.loads(bodies[0], object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Answer(think=thought, problem=f"not JSON: {str(error)[:80]}")
    if not isinstance(body, dict):
        return Answer(think=thought, problem=f"JSON {type(body).__name__} instead of an object")
    fields = cast(dict[str, Any], body)
    said = tuple(key for key in _KEYS if key in fields)
    return replace(_read(fields), think=thought, said=said, well_formed=well_formed)


def _split(text: str) -> tuple[str, str]:
    """The thinking, and what comes after it. Plain searches, for a pattern is quadratic over many `<think>`."""
    start = text.find(_OPEN)
    end = text.find(_CLOSE, start + len(_OPEN)) if start >= 0 else -1
    return (text[start + len(_OPEN) : end], text[end + len(_CLOSE) :]) if end >= 0 else ("", text)


def _read(body: dict[str, Any]) -> Answer:
    problems: list[str] = []
    fields: dict[str, Any] = {key: _word(body.get(key), key, problems) for key in _WORD_KEYS}
    fields["rating"] = _rating(body.get("rating"), problems)
    fields["bbox_2d"] = _bbox(body.get("bbox_2d"), problems)
    if not any(key in body for key in _KEYS):
        problems.append("no known key")
    return Answer(**fields, problem="; ".join(problems) or None)


def _rating(value: Any, problems: list[str]) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not 1.0 <= number <= 5.0:
        problems.append(f"rating {str(value)[:20]!r} is no number in 1..5")
        return None
    return round(number, 2)


def _bbox(value: Any, problems: list[str]) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    items = _items(value)
    numbers = [_number(item) for item in items[:4]]
    corners = [round(number, 4) for number in numbers if number is not None and 0.0 <= number <= 1.0]
    if len(items) != 4 or len(corners) != 4 or corners[0] >= corners[2] or corners[1] >= corners[3]:
        problems.append(f"bbox_2d {str(value)[:40]!r} is no [x1, y1, x2, y2] in 0..1")
        return None
    return (corners[0], corners[1], corners[2], corners[3])


def _items(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list | tuple) else []


def _word(value: Any, key: str, problems: list[str]) -> str | None:
    if value is None:
        return None
    word = value.strip() if isinstance(value, str) else ""
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
        raise ValueError("a key is given twice")
    return body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
