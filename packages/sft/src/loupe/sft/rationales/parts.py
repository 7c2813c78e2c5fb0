"""The sections of a completion and their sentences, with their places in the text, so that one can be taken out.

Text of a model is untrusted: what is not found is not there, and what is taken out leaves the rest as it was.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from loupe.core.dialects.tags import ANSWER, END_ANSWER, THINK, thinking
from loupe.core.sections import sections_in

_ENDS = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])")
_NUMBER_BEFORE = re.compile(r"(?:\d{1,2}[.)]\s*)?\Z")


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the thinking: its label, "" where the thinking has none, and where its text stands."""

    label: str
    start: int
    end: int


def parts_of(text: str, labels: Sequence[str]) -> list[Part]:
    """Sections in the order of the text; without labels the whole thinking is one."""
    think = thinking(text)[0]
    place = text.find(THINK) + len(THINK)
    found = sections_in(think, labels) if labels else {"": think.strip()}
    made: list[Part] = []
    for label, words in found.items():
        heading = next((match.end() for match in _found(label, text, place, len(text))), place)
        start = text.find(words, heading)
        if words and start >= 0:
            made.append(Part(label, start, start + len(words)))
            place = start + len(words)
    return made


def covered(text: str, labels: Sequence[str]) -> bool:
    """Whether the sections hold all that was thought, so that nothing goes unseen by who reads sentence by sentence.

    Between two sections stands one label with at most a number and a remark in brackets, and behind the thinking one
    answer. False where a label comes twice, and where words stand before the first one or beside the tags.
    """
    think, rest = thinking(text)
    behind = rest.strip()
    if not (behind.startswith(ANSWER) and behind.find(END_ANSWER) == len(behind) - len(END_ANSWER)):
        return False
    start = text.find(THINK)
    place, end = start + len(THINK), start + len(THINK) + len(think)
    if text[:start].strip():
        return False
    for part in parts_of(text, labels):
        heading = (
            rf"\s*(?:\d{{1,2}}[.)]\s*)?{re.escape(part.label)}\s*(?:\([^()\n]{{0,60}}\))?\s*:\s*" if labels else r"\s*"
        )
        if re.fullmatch(heading, text[place : part.start], re.IGNORECASE) is None:
            return False
        place = part.end
    return not text[place:end].strip()


def sentences(text: str, part: Part) -> list[tuple[int, int]]:
    """Start and end of each sentence of a section in the text; nothing of the section is left out but blanks."""
    words = text[part.start : part.end]
    ends = [match.span() for match in _ENDS.finditer(words)]
    # Closing quotes belong to the sentence before them.
    stops = [first + len(words[first:last].rstrip()) for first, last in ends]
    starts = [0, *(last for _, last in ends)]
    return [(part.start + a, part.start + b) for a, b in zip(starts, [*stops, len(words)], strict=True) if b > a]


def without(text: str, part: Part, dropped: Collection[int]) -> str:
    """The text without the sentences of `part` with these numbers; the other sections stay letter for letter."""
    kept = [text[a:b] for number, (a, b) in enumerate(sentences(text, part)) if number not in dropped]
    return text[: part.start] + " ".join(kept) + text[part.end :]


def before_decision(text: str, labels: Sequence[str]) -> int | None:
    """Where the decision begins: at the label of the last section, or without labels at the last sentence.

    None where the text has no such place, or nothing before it.
    """
    parts = parts_of(text, labels)
    begin = text.find(THINK) + len(THINK)
    if not parts or (labels and parts[-1].label != labels[-1]):
        return None
    if labels:
        heading = max(match.start() for match in _found(labels[-1], text, begin, parts[-1].start))
        number = _NUMBER_BEFORE.search(text, 0, heading)
        place = number.start() if number else heading
    else:
        place = sentences(text, parts[0])[-1][0]
    return place if text[begin:place].strip() else None


def _found(label: str, text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    # Not by lower-casing the text: that changes the length of some letters, and so every place behind them.
    return re.compile(re.escape(label), re.IGNORECASE).finditer(text, start, end)
