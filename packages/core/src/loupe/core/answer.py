"""The door to what an agent writes: text parsed as data, and the same data rendered as text.

Text of a model is untrusted: whatever arrives, `parse` returns an `Answer`, never raises, never guesses a number, and
says in `problem` why an answer is unusable. Rewards and evaluation both read this record, so an answer that is paid in
training is the answer that is scored in evaluation. The grammars lie in `loupe.core.dialects`, one a file.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loupe.core.dialects import description, loupe, q_insight, visualquality_r1, zoom_iqa
from loupe.core.dialects.record import Answer
from loupe.core.errors import ConfigError

__all__ = ["DIALECTS", "MAX_TEXT", "Answer", "answer_of", "parse", "plain", "render"]

MAX_TEXT = 100_000
"""Characters of a completion that are looked at; what comes later cannot be an answer that anybody meant."""

DIALECTS: dict[str, Callable[[str], Answer]] = {
    "loupe": loupe.read,
    "visualquality-r1": visualquality_r1.read,
    "q-insight": q_insight.read,
    "zoom-iqa": zoom_iqa.read,
    "description": description.read,
}


def parse(text: str, *, dialect: str = "loupe", box_limit: float = 1.0) -> Answer:
    """Answer in a completion. Never raises for a text; unusable text gives an Answer whose `problem` says why.

    `box_limit` is the largest number that a box may hold in the dialect loupe: 1, or that of another way to count.

    A reference dialect gives what the code of its paper extracts, but for this: where that code draws a random score or
    hides an exception, the answer is unusable. Raises ConfigError for a dialect that nobody knows.
    """
    if dialect not in DIALECTS:
        raise ConfigError(f"got the dialect {dialect!r}; wanted one of {', '.join(DIALECTS)}")
    if dialect == "loupe":
        return loupe.read(text[:MAX_TEXT], box_limit=box_limit)
    return DIALECTS[dialect](text[:MAX_TEXT])


def plain(answer: Answer) -> Answer:
    """The answer in Loupe's own terms: the word "null", with which Q-Insight names a clean image, becomes None."""
    words = {key: None for key in ("distortion_class", "severity") if getattr(answer, key) == "null"}
    return replace(answer, **words)


def render(answer: Answer) -> str:
    """Text of a usable answer in the dialect loupe; `parse(render(a)) == a` for every answer that `answer_of` makes.

    Raises ValueError for an answer with a problem: there is no text to go back to.
    """
    if not answer.usable:
        raise ValueError(f"cannot render an unusable answer ({answer.problem}); render what parsed without a problem")
    body = {key: getattr(answer, key) for key in loupe.KEYS if key in answer.said or getattr(answer, key) is not None}
    return f"<think>{answer.think}</think><answer>{json.dumps(body, ensure_ascii=False)}</answer>"


def answer_of(think: str = "", **fields: Any) -> Answer:
    """Answer from plain fields, as if the agent had written it. Raises ValueError where no text could say it."""
    if unknown := set(fields) - set(loupe.KEYS):
        raise ValueError(f"unknown answer keys {sorted(unknown)}; known are {list(loupe.KEYS)}")
    said = tuple(key for key in loupe.KEYS if key in fields)
    made = replace(loupe.answer_in(fields), think=think, said=said, well_formed=True)
    if not made.usable:
        raise ValueError(f"no answer can be made of {fields}: {made.problem}")
    again = parse(render(made))
    if again != made:
        raise ValueError(
            f"no text can say {fields} with the thinking {think[:80]!r}: leave out tags and odd characters"
        )
    return made
