"""What counts as the verdict of an episode, in one place: every figure and every page reads it here.

An episode that ended on text nobody can parse, or that ran out of tokens, has no verdict, whatever it said in an
earlier turn. It is neither dropped nor given a lucky number: its rating is the middle of the scale, and it is counted.
"""

from loupe.core.records import Episode, Sample, StopReason, Turn

MID_SCALE = 3.0
"""The rating of an unusable episode: the middle of 1..5, which knows nothing about the image."""
CLEAN = "clean"
OTHER = "other"
UNUSABLE = "unusable"
_FAILED = (StopReason.UNUSABLE, StopReason.TRUNCATED)


def verdict_of(episode: Episode) -> Turn | None:
    """The turn whose rating counts; None for an unusable episode."""
    return None if episode.stop_reason in _FAILED else episode.verdict


def written_rating(turn: Turn | None) -> float:
    """The number that was written, 1..5; the middle of the scale where there is no verdict."""
    return MID_SCALE if turn is None or turn.answer.rating is None else turn.answer.rating


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


def true_class(sample: Sample) -> str | None:
    """The labelled class, clean for an undamaged image; None where the sample has no such label."""
    if sample.degradation is None:
        return None
    return sample.degradation.distortion_class or CLEAN


def trouble(episode: Episode) -> str | None:
    """Why an episode has no verdict, in a few words; None where it has one."""
    if verdict_of(episode) is not None:
        return None
    problem = episode.turns[-1].answer.problem if episode.turns else None
    return problem or ("the answer ran into the token limit" if episode.stop_reason in _FAILED else "no rating given")
