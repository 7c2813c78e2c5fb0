"""Episodes as token sequences: a prompt, then all that followed, with a mask of what the agent wrote itself.

In the layout `append` all turns of an episode are one growing sequence: the ids that were sampled, then the crop's user
turn, then the ids that were sampled next. In the layout `segments` each turn is a prompt and a completion of its own;
they are one rollout all the same, with one advantage, and their completions stand one behind the other wherever there
is one number a token. Nothing is tokenised a second time. The samples of one image share its first prompt as one
object, which is how what trains on them knows that they can share its computation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.policy import Conversation
from loupe.zoom.loop import Played


@dataclass(frozen=True, eq=False)
class Prompt:
    """What the samples of an image have in common: everything before the first token that the agent wrote."""

    encoded: Encoded


@dataclass(frozen=True, eq=False)
class Segment:
    """A prompt and what followed it; `completion` begins with the agent's first token."""

    prompt: Prompt
    completion: Encoded


@dataclass(frozen=True, eq=False)
class Rollout:
    """An episode. `number` is its place among the rollouts of all processes; `prompt` and `completion` are its first
    segment, `later` those of its later turns in the layout `segments`. `log_probs` (C,) are those of its own tokens
    when they were drawn, 0 elsewhere, over all completions; None where nobody knows."""

    number: int
    prompt: Prompt
    completion: Encoded
    log_probs: list[float] | None
    later: tuple[Segment, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All prompts with their completions, in order."""
        return (Segment(self.prompt, self.completion), *self.later)

    @property
    def wrote(self) -> list[bool]:
        """Which tokens (C,) of all completions the agent wrote itself."""
        return [own for segment in self.segments for own in segment.completion.wrote]

    @property
    def length(self) -> int:
        """Tokens C of all completions."""
        return sum(len(segment.completion.input_ids) for segment in self.segments)

    @property
    def tokens(self) -> int:
        """Tokens that the agent wrote itself."""
        return sum(self.wrote)


def as_rollouts(played: Sequence[Played], encoder: ChatEncoder, *, first: int = 0) -> list[Rollout]:
    """Token sequences of finished episodes; those of one image that stand together share its prompt.

    `first` is the number of the first one among those of all processes.
    """
    made: list[Rollout] = []
    for place, item in enumerate(played):
        opening, *later = [_segment(conversation, encoder) for conversation in item.conversations]
        prompt = made[-1].prompt if made and _same(item, played[place - 1]) else opening.prompt
        replies = [reply for one in item.conversations for reply in one.replies[one.recalled :]]
        drawn = [number for reply in replies for number in reply.log_probs]
        rollout = Rollout(first + place, prompt, opening.completion, None, tuple(later))
        made.append(replace(rollout, log_probs=_spread(drawn, rollout.wrote)))
    return made


def _segment(conversation: Conversation, encoder: ChatEncoder) -> Segment:
    encoded = encoder.encode(conversation)
    start = encoded.wrote.index(True)
    shown = sum(len(turn.images) for turn in conversation.user_turns[: conversation.recalled + 1])
    return Segment(Prompt(encoded.before(start, images=shown)), encoded.after(start, images=shown))


def by_prompt(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """Rollouts that stand together and share their first prompt, in their order."""
    return [list(group) for _, group in groupby(rollouts, key=lambda item: id(item.prompt))]


def _spread(drawn: Sequence[float], wrote: Sequence[bool]) -> list[float] | None:
    """One number a token, 0 where the agent did not write it; None where there is not one for each that it wrote."""
    if len(drawn) != sum(wrote):
        return None
    numbers = iter(drawn)
    return [next(numbers) if own else 0.0 for own in wrote]


def _same(one: Played, other: Played) -> bool:
    """Whether two episodes began alike, word for word and image for image."""
    mine, its = (item.conversations[0] for item in (one, other))
    first, second = mine.user_turns[0], its.user_turns[0]
    alike = (mine.system, first.text, len(first.images)) == (its.system, second.text, len(second.images))
    return alike and all(a is b for a, b in zip(first.images, second.images, strict=True))
