"""The words of exported conversations: ours, from the built-in protocol `score`, never another project's."""

from functools import cache

from loupe.core.protocol import QUESTION, Protocol, load_protocol

RANGE = "Answer with a number from 1.00 (very bad) to 5.00 (very good), to two decimals."
LEVELS = ("bad", "poor", "fair", "good", "excellent")
"""Words of the five equal parts of a scale, the worst first, as the field has them."""


def question(sample_id: str) -> str:
    """How the opinion on an image is asked for; the same for an image at any time."""
    return _protocol().phrased(QUESTION, sample_id)


def level_word(value: float, low: float, high: float) -> str:
    """Word of the part of low..high that holds `value`; an upper edge belongs to the part below it."""
    share = (value - low) / (high - low) * len(LEVELS)
    place = int(share) - (share == int(share))
    return LEVELS[min(max(place, 0), len(LEVELS) - 1)]


@cache
def _protocol() -> Protocol:
    return load_protocol("score")
