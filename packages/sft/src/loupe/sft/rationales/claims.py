"""What a sentence claims about brightness, contrast, colour, sharpness, blocks and noise, by plain words. Ours.

Only for the judge that needs no model. A claim is a word of the list, with "no", "without" and the like shortly before
it, or "-free" and "is absent" behind it, turned round. Words that are wishes or that name content are left out: a
sentence without a claim cannot be checked.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple


class Claim(NamedTuple):
    """That `measure` (a field of Hints, "" for what is not measured) is high, or low, somewhere in the picture.

    `damage` is the distortion class that the words name, None for what is no damage; `present` is false for "no noise".
    """

    measure: str
    high: bool
    damage: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class _Words:
    pattern: re.Pattern[str]
    measure: str
    high: bool
    damage: str | None = None


def _words(words: str, measure: str, high: bool, damage: str | None = None) -> _Words:
    return _Words(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), measure, high, damage)


_TABLE = (
    _words("noise|noisy|grain|grainy|graininess|speckles?|speckled", "noise", True, "noise"),
    _words("blur|blurs|blurry|blurred|blurring|blurriness|out of focus|smeared", "sharpness", False, "blur"),
    _words("sharp|crisp|in focus|finely detailed", "sharpness", True),
    _words(
        "block(?:iness|y)|blocking arte?facts?|compression|jpeg artefacts?|jpeg artifacts?",
        "blockiness",
        True,
        "compression",
    ),
    _words("darkening|darkened|underexposed|underexposure|too dark", "brightness", False, "darken"),
    # Of a thing as often as of the exposure: a measurement may speak against it, a label cannot.
    _words("(?<!too )dark|dim|gloomy", "brightness", False),
    _words(
        "brightening|brightened|overexposed|overexposure|too bright|blown out|washed out",
        "brightness",
        True,
        "brighten",
    ),
    _words("pixelation|pixelated|pixelat(?:e|ing)", "", True, "pixelate"),
    _words("high contrast|strong contrast", "contrast", True),
    _words("low contrast|weak contrast|hazy|haze", "contrast", False),
    _words("vivid|vibrant|colourful|colorful|saturated colou?rs", "colourfulness", True),
    _words("desaturated|colou?rless|monochrome|pale colou?rs|dull colou?rs", "colourfulness", False),
)
_NEGATED = re.compile(
    r"\b(?:no|not|without|free (?:of|from)|lacks?|lacking|neither|nor|never|hardly any|absence of)\s+"
    r"(?:(?!(?:but|yet|though|although|while|however|only|just)\b)\w+\s+){0,3}$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:-|\s)free\b|\s+(?:is|are|was|were|seems?|appears?)\s+(?:absent|missing|nowhere"
    r"|not\s+(?:present|visible|seen|noticeable|there|to be seen))\b"
    r"|\s+(?:cannot|can not|could not)\s+be\s+(?:seen|found|made out)\b",
    re.IGNORECASE,
)
"""What turns a word round from behind."""


def claims(sentence: str) -> list[Claim]:
    """The claims of a sentence, in the order of the table; each kind once."""
    made: list[Claim] = []
    for words in _TABLE:
        found = words.pattern.search(sentence)
        if found is not None:
            before = _NEGATED.search(sentence[: found.start()]) is not None
            negated = before or _DENIED.match(sentence, found.end()) is not None
            made.append(Claim(words.measure, words.high is not negated, words.damage, not negated))
    return made
