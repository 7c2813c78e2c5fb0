"""The fast mode as episodes: the rating of each image read off in one pass, marked as what it is.

An episode of it has one turn, whose text is the opening that was begun for the agent and whose answer holds the most
probable rating and nothing else; its stop reason is READ_OFF, so that nobody takes it for reasoning. What the agent
would not have put a rating to is unusable, with the reason.
"""

from collections.abc import Sequence

from loupe.core.answer import Answer
from loupe.core.errors import ConfigError, ModelError
from loupe.core.protocol import Protocol
from loupe.core.rater import Rated, Rater
from loupe.core.records import WHOLE, Episode, StopReason, Turn
from loupe.zoom.layout import opening
from loupe.zoom.loop import LoopInput

ASKS = ("rating",)
"""What the fast mode asks for, whatever its protocol does."""


def check_fast(protocol: Protocol) -> None:
    """Raises ConfigError for a protocol that has no fast mode."""
    if "rating" not in protocol.asks:
        raise ConfigError(
            f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)}; the fast mode reads ratings: take a "
            "protocol that asks for them"
        )
    if not protocol.fast_opening:
        raise ConfigError(
            f"protocol {protocol.name!r} has no fast_opening; give it the text of a reply up to its rating, as zoom has"
        )


def fast_episodes(rater: Rater | None, images: Sequence[LoopInput], protocol: Protocol) -> list[Episode]:
    """One episode an input, in order. Raises ConfigError as `check_fast` does and for a missing rater, ModelError."""
    check_fast(protocol)
    if rater is None:
        raise ConfigError("the fast mode needs an agent whose ratings can be read; this one can only write")
    # A question that allows crops invites an answer without a rating, so it is put as where zooming is forbidden.
    asked = [
        opening(protocol, (source.image, *source.others), key=source.key, sample_id=source.sample_id, zoom=False)
        for source in images
    ]
    rated = rater.rate(asked, opening=protocol.fast_opening)
    if len(rated) != len(asked):
        raise ModelError(f"got {len(rated)} ratings of {len(asked)} images; wanted one each, in order")
    return [
        _episode(source.sample_id, item, text=protocol.fast_opening) for source, item in zip(images, rated, strict=True)
    ]


def _episode(sample_id: str, rated: Rated, *, text: str) -> Episode:
    answer = Answer(rating=rated.rating, said=ASKS, problem=rated.problem)
    turn = Turn(WHOLE, text, answer, tokens=0, seconds=rated.seconds, expected_rating=rated.expected_rating)
    return Episode(sample_id, (turn,), StopReason.READ_OFF)
