"""What a text-guided restorer is to be told about a picture: towards what, and away from what.

Zoom-IQA gives two sections of its thinking to a restorer: its directions for improvement as the positive prompt, its
issues to avoid as the negative one. Where a protocol asks for such sections, the agent's own words are used, of its
last turn that has both. Else both are worded from its diagnosis, in words of ours. What a model wrote is data: it
leaves here as one line of printable characters of a bounded length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loupe.bench.assess import Judgement
from loupe.bench.verdicts import last_word
from loupe.core.box import thirds
from loupe.core.protocol import Protocol
from loupe.core.records import Box, Episode, Turn
from loupe.core.sections import sections_in

MAX_PROMPT = 400
"""Characters of a prompt; text encoders of restorers read about 77 tokens."""

_TOWARDS = {
    "noise": "clean, smooth surfaces with their fine texture kept",
    "blur": "crisp edges and sharp fine detail",
    "compression": "smooth gradients, clean edges and continuous texture",
    "darken": "bright, well-exposed tones with open shadows",
    "brighten": "balanced exposure with full highlights and rich contrast",
    "pixelate": "smooth contours and continuous fine detail",
}
_AWAY = {
    "noise": "grain, colour speckles",
    "blur": "blur, soft focus, smeared detail",
    "compression": "compression blocks, ringing, banding",
    "darken": "underexposure, crushed shadows",
    "brighten": "overexposure, washed-out highlights",
    "pixelate": "pixel blocks, jagged edges",
}
_TOWARDS_ANY = "natural colours, true detail and balanced exposure"
_AWAY_ANY = "halos, invented texture, over-smoothing"
NO_DIAGNOSIS = "the answer holds neither a distortion class nor the sections that prompts are made of"
"""Why a picture with a usable answer has no prompts, as under a protocol that asks for a rating alone."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The two prompts, and whose words they are: `agent` or `diagnosis`."""

    positive: str
    negative: str
    source: str


def prompts_row(judgement: Judgement, protocol: Protocol) -> dict[str, Any]:
    """A line of prompts: the picture, its diagnosis, both prompts; null and a problem where there are none."""
    turn = _last_word(judgement, protocol)
    prompts = prompts_for(judgement, protocol)
    return {
        "image": judgement.image,
        "rating": judgement.rating,
        "distortion_class": judgement.distortion_class,
        "severity": judgement.severity,
        "bbox_2d": turn.answer.bbox_2d if turn is not None else None,
        "positive_prompt": prompts.positive if prompts else None,
        "negative_prompt": prompts.negative if prompts else None,
        "source": prompts.source if prompts else None,
        "problem": judgement.problem or (None if prompts else NO_DIAGNOSIS),
    }


def prompts_for(judgement: Judgement, protocol: Protocol) -> Prompts | None:
    """Prompts for one picture; None where there is no usable answer, or one with neither sections nor a class."""
    turn = _last_word(judgement, protocol)
    if judgement.main is None or turn is None:
        return None
    if (own := own_words(judgement.main, protocol)) is not None:
        return own
    answer = turn.answer
    # A class of null is a finding, that nothing is wrong; a class that was not said is none.
    if "distortion_class" not in answer.said:
        return None
    return worded(answer.distortion_class, answer.severity, answer.bbox_2d)


def _last_word(judgement: Judgement, protocol: Protocol) -> Turn | None:
    return last_word(judgement.main, asks=protocol.asks) if judgement.main is not None else None


def own_words(episode: Episode, protocol: Protocol) -> Prompts | None:
    """What the agent wrote under the protocol's two labels, in its last turn that has both; None where none has."""
    wanted = (protocol.positive_section, protocol.negative_section)
    if not all(wanted):
        return None
    labels = _unique([*protocol.sections, *protocol.later_sections, *wanted])
    for turn in (turn for turn in reversed(episode.turns) if turn.answer.usable):
        found = sections_in(turn.answer.think, labels)
        positive, negative = (one_line(found.get(label, "")) for label in wanted)
        if positive and negative:
            return Prompts(positive, negative, "agent")
    return None


def worded(distortion_class: str | None, severity: str | None, bbox_2d: Box | None) -> Prompts:
    """Prompts in our words for a diagnosis; a class that we have no words for stands in the negative one by name."""
    where = place(bbox_2d)
    if distortion_class is None:
        return Prompts(_TOWARDS_ANY, _AWAY_ANY, "diagnosis")
    towards = _TOWARDS.get(distortion_class)
    away = _AWAY.get(distortion_class, distortion_class)
    strength = f"{severity} " if severity else ""
    positive = f"{towards}{where}, {_TOWARDS_ANY}" if towards else _TOWARDS_ANY
    return Prompts(one_line(positive), one_line(f"{strength}{away}{where}, {_AWAY_ANY}"), "diagnosis")


def place(box: Box | None) -> str:
    """Where a box lies, in words with a space before them; nothing where it is unknown or most of the image."""
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) > 0.6:
        return ""
    row, column = thirds(box)
    if row == "middle":
        return " in the centre" if column == "centre" else f" on the {column}"
    return f" at the {row}" if column == "centre" else f" at the {row} {column}"


def one_line(text: str) -> str:
    """`text` on one line without what cannot be printed, cut at a word where it is longer than MAX_PROMPT."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable()).strip()
    if len(line) <= MAX_PROMPT:
        return line
    return line[: MAX_PROMPT + 1].rsplit(" ", 1)[0][:MAX_PROMPT]


def _unique(labels: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(labels))
