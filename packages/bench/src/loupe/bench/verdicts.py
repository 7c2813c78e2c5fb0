"""What counts as the verdict of an episode, in one place: every figure and every page reads it here.

The last turn with a usable rating counts. Where a later look failed, on text nobody can parse or for want of tokens,
that is the rating of a look before it, and the episode is counted as one that kept it. An episode without any rating is
neither dropped nor given a lucky number: its rating is the middle of the scale, and it is counted.
"""

from collections.abc import Sequence

from loupe.core.records import SEVERITIES, Episode, Sample, StopReason, Turn

FIRST, LAST = 1.0, 5.0
"""Ends of the scale of ratings."""
MID_SCALE = 3.0
"""The rating of an unusable episode: the middle of 1..5, which knows nothing about the image."""
CLEAN = "clean"
OTHER = "other"
UNUSABLE = "unusable"
EVERYTHING = ("rating", "distortion_class", "severity", "bbox_2d")
"""What an agent is taken to have been asked where nobody says so."""
_FAILED = (StopReason.UNUSABLE, StopReason.TRUNCATED)


def verdict_of(episode: Episode) -> Turn | None:
    """The turn whose rating counts; None for an unusable episode."""
    return episode.verdict


def last_word(episode: Episode, *, asks: Sequence[str]) -> Turn | None:
    """The turn whose answer counts for a task that asks for these keys: the verdict where a rating is one of them, else
    the last usable one that says all that was asked; None for an unusable episode."""
    if "rating" in asks:
        return verdict_of(episode)
    said = (turn for turn in reversed(episode.turns) if turn.answer.usable and set(asks) <= set(turn.answer.said))
    return next(said, None)


def written_rating(turn: Turn | None) -> float:
    """The number that was written, cut to 1..5 as the evaluators of the reference dialects do, which let an agent write
    any; the middle of the scale where there is no verdict."""
    if turn is None or turn.answer.rating is None:
        return MID_SCALE
    return min(LAST, max(FIRST, turn.answer.rating))


def expected_rating(turn: Turn | None) -> float:
    """The mean of the agent's own distribution over ratings, 1..5; the written number where the policy cannot tell."""
    return written_rating(turn) if turn is None or turn.expected_rating is None else turn.expected_rating


def said_class(turn: Turn | None, *, classes: tuple[str, ...]) -> str:
    """One of `classes`, or clean for an explicit null, other for any other word or none at all, or unusable."""
    if turn is None:
        return UNUSABLE
    word = turn.answer.distortion_class
    if word is None:
        return CLEAN if "distortion_class" in turn.answer.said else OTHER
    return word if word in classes else OTHER


def said_severity(turn: Turn | None) -> str:
    """One of the five words, clean for an explicit null or for a clean image that was given no severity, other for any
    other word or none at all, or unusable."""
    if turn is None:
        return UNUSABLE
    word, said = turn.answer.severity, turn.answer.said
    if word is None:
        is_clean = "distortion_class" in said and turn.answer.distortion_class is None
        return CLEAN if "severity" in said or is_clean else OTHER
    return word if word in SEVERITIES else OTHER


def true_class(sample: Sample) -> str | None:
    """The labelled class, clean for an undamaged image; None where the sample has no such label."""
    if sample.degradation is None:
        return None
    return sample.degradation.distortion_class or CLEAN


def trouble(episode: Episode, *, asks: Sequence[str] = ("rating",)) -> str | None:
    """Why an episode has no answer for a task that asks for these keys, in a few words; None where it has one."""
    if last_word(episode, asks=asks) is not None:
        return None
    problem = episode.turns[-1].answer.problem if episode.turns else None
    missing = "no rating given" if "rating" in asks else f"no {' and '.join(asks)} given"
    return problem or ("the answer ran into the token limit" if episode.stop_reason in _FAILED else missing)
