"""What the words of a look claim about the rating so far: it gets worse, better, or stays.

The sentences that the pocket agent was taught are known, and where a text holds one of them, they alone are read.
Any other agent's text is read for a small list of words. A word behind a negation claims nothing, and neither does a
text that claims two things at once: only what is claimed plainly is held against the numbers. Ours.
"""

import re
from enum import StrEnum

from loupe.data.rationale import REMARKS


class Claim(StrEnum):
    """What is said of the rating."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"


WORDS: dict[Claim, str] = {
    Claim.WORSE: r"worse|downgrad\w+|lower(?:s|ed|ing)? (?:the|my) (?:rating|score)|more severe",
    Claim.BETTER: r"better|upgrad\w+|rais(?:e|es|ed|ing) (?:the|my) (?:rating|score)|less severe|milder",
    Claim.SAME: r"confirm\w*|unchanged|(?:rating|score) (?:stays|remains|holds)|(?:keep|stand by|stay with) my",
}
"""Words of each claim, as regular expressions."""
_PATTERNS = {claim: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for claim, words in WORDS.items()}
_NEGATED = re.compile(
    r"(?:\b(?:no|not|nothing|never|neither|nor|hardly|cannot|without)|n't)(?:\W+\w+){0,2}\W*$", re.IGNORECASE
)
_NEAR = 60
"""Letters before a word in which a negation is looked for."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def claim_in(text: str) -> Claim | None:
    """The one claim of a text, None where it makes none, or more than one kind."""
    sentences = _SENTENCE.split(text.strip())
    known = [sentence for sentence in sentences if sentence in REMARKS]
    taught = {claim for sentence in known for claim in _claims(sentence)}
    found = taught or {claim for sentence in sentences for claim in _claims(sentence)}
    return next(iter(found)) if len(found) == 1 else None


def agrees(claim: Claim, change: float, *, slack: float) -> bool:
    """Whether a change of the rating is what was claimed; up to `slack` points are no change worth a word."""
    if claim is Claim.SAME:
        return abs(change) <= slack
    return change < -slack if claim is Claim.WORSE else change > slack


def _claims(sentence: str) -> set[Claim]:
    return {
        claim
        for claim, pattern in _PATTERNS.items()
        for found in pattern.finditer(sentence)
        if not _NEGATED.search(sentence[max(0, found.start() - _NEAR) : found.start()])
    }
