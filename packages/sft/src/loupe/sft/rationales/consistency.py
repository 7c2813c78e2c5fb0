"""Hint-Augmented Consistency Filtering: sentences that a measurement speaks against are taken out.

Per sentence, as the paper has it. Where a section would be left without a sentence, or too much of the rationale would
go, the item is made again instead (when it is made again is ours). The section of wishes is not checked: it says what a
better picture would look like, and not what is there.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample
from loupe.sft.rationales.hints import measure_regions
from loupe.sft.rationales.judge import Case, Judge
from loupe.sft.rationales.parts import Part, parts_of, sentences, without

_LEAK = re.compile(
    r"\bmean opinion|\bMOS\b|\braters?\b|\bground[\s-]+truth\b|\b(?:was|been|were)\s+told\b"
    r"|\b(?:people|viewers|observers|others|humans)\s+(?:have\s+|had\s+)?(?:rated|said|scored|gave|judged|voted)\b"
    r"|\b(?:given|known|true|actual|expected|human)\s+(?:scores?|ratings?|opinions?|labels?)\b"
    r"|\b(?:scores?|ratings?|opinions?)\s+(?:that|which)\s+(?:was|were|is|are)\s+(?:given|known|told)\b"
    r"|\b(?:I|we)\s+(?:already\s+)?know\s+(?:its|the|that\s+its|that\s+the)\s+(?:scores?|ratings?|opinions?|labels?)\b"
    r"|\b(?:rating|quality|score|opinion)\s+labels?\b"
    r"|\blabels?\s+(?:says?|said|gives?|gave|is|was|of)\s+(?:that\s+)?(?:it\s+is\s+)?"
    r"(?:\d|very poor|poor|fair|good|excellent)",
    re.IGNORECASE,
)
"""A label alone is no leak: bottles have some."""
_LEAKED = "speaks of what only the teacher was told"


@dataclass(frozen=True, slots=True)
class _Sentence:
    turn: int
    part: Part
    number: int
    text: str
    is_wish: bool


@dataclass(frozen=True, slots=True)
class ConsistencyFilter:
    """What the third stage needs. `judge` is None where nothing but leaks is looked for."""

    judge: Judge | None
    protocol: Protocol
    use_label: bool
    tell_opinion: bool
    max_dropped_share: float

    def check(self, sample: Sample, episode: Episode, image: Image.Image, *, key: str) -> dict[str, Any]:
        """Row: `problem` (None where the item passed), `texts` of its turns without the failing sentences, `dropped`
        with the reason of each, and the measured `regions`, the whole picture first."""
        views = tuple(turn.view for turn in episode.turns[1:])
        regions = tuple(measure_regions(np.asarray(image, np.uint8), boxes=views))
        found = self._sentences(episode)
        failing = self._failing(found, Case(key, (), regions, sample if self.use_label else None))
        row: dict[str, Any] = {"regions": [region.to_json() for region in regions], "dropped": [], "texts": []}
        if failing is None:
            return row | {"problem": "the judge said nothing that can be read"}
        row["dropped"] = [
            {"turn": found[place].turn, "section": found[place].part.label, "text": found[place].text, "reason": reason}
            for place, reason in sorted(failing.items())
        ]
        if problem := self._problem(found, set(failing)):
            return row | {"problem": problem}
        texts = _texts(episode, found, set(failing))
        if self.tell_opinion and any(_LEAK.search(text) for text in texts):
            return row | {"problem": _LEAKED}
        return row | {"problem": None, "texts": texts}

    def _sentences(self, episode: Episode) -> list[_Sentence]:
        made: list[_Sentence] = []
        for turn, said in enumerate(episode.turns):
            labels = self.protocol.later_sections if turn else self.protocol.sections
            for part in parts_of(said.text, labels):
                wish = bool(part.label) and part.label == self.protocol.positive_section
                made += [
                    _Sentence(turn, part, number, said.text[a:b], wish)
                    for number, (a, b) in enumerate(sentences(said.text, part))
                ]
        return made

    def _failing(self, found: list[_Sentence], case: Case) -> dict[int, str] | None:
        """Reason by place in `found`; None where the judge gave no usable answer."""
        asked = [place for place, sentence in enumerate(found) if not sentence.is_wish]
        failing: dict[int, str] = {}
        if self.judge is not None and asked:
            texts = tuple(found[place].text for place in asked)
            said = self.judge.failing(Case(case.key, texts, case.regions, case.sample))
            if said is None:
                return None
            failing = {asked[number]: reason for number, reason in said.items()}
        if self.tell_opinion:
            failing |= {place: _LEAKED for place, sentence in enumerate(found) if _LEAK.search(sentence.text)}
        return failing

    def _problem(self, found: list[_Sentence], failing: set[int]) -> str | None:
        sections = {(sentence.turn, sentence.part): 0 for sentence in found}
        for place, sentence in enumerate(found):
            sections[sentence.turn, sentence.part] += place not in failing
        for (turn, part), kept in sections.items():
            if not kept:
                return f"no sentence of a section stands: look {turn + 1}, {part.label or 'the thinking'}"
        if len(failing) > self.max_dropped_share * len(found):
            return f"too many sentences fail: {len(failing)} of {len(found)}"
        return None


def _texts(episode: Episode, found: list[_Sentence], failing: set[int]) -> list[str]:
    """The turns' texts without the failing sentences; from the back, so that places in front stay right."""
    texts = [turn.text for turn in episode.turns]
    parts = {(sentence.turn, sentence.part): set[int]() for sentence in found}
    for place in failing:
        parts[found[place].turn, found[place].part].add(found[place].number)
    for (turn, part), dropped in sorted(parts.items(), key=lambda item: -item[0][1].start):
        if dropped:
            texts[turn] = without(texts[turn], part, dropped)
    return texts
