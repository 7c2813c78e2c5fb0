"""Episodes as token sequences: a prompt, then all that followed, with a mask of what the agent wrote itself.

Both turns of an episode are one growing sequence (the `append` layout): the ids that were sampled, then the crop's user
turn, then the ids that were sampled next. Nothing is tokenised a second time. The samples of one image share its
prompt as one object, which is how what trains on them knows that they can share its computation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.zoom.loop import Played


@dataclass(frozen=True, eq=False)
class Prompt:
    """What the samples of an image have in common: everything before the first token that the agent wrote."""

    encoded: Encoded


@dataclass(frozen=True, eq=False)
class Rollout:
    """An episode. `number` is its place among the rollouts of all processes; `completion` begins with the agent's first
    token. `log_probs` (C,) are those of its own tokens when they were drawn, 0 elsewhere; None where nobody knows."""

    number: int
    prompt: Prompt
    completion: Encoded
    log_probs: list[float] | None

    @property
    def tokens(self) -> int:
        """Tokens that the agent wrote itself."""
        return sum(self.completion.wrote)


def as_rollouts(played: Sequence[Played], encoder: ChatEncoder, *, first: int = 0) -> list[Rollout]:
    """Token sequences of finished episodes; those of one image that stand together share its prompt.

    `first` is the number of the first one among those of all processes.
    """
    made: list[Rollout] = []
    for place, item in enumerate(played):
        encoded = encoder.encode(item.conversation)
        start = encoded.wrote.index(True)
        shown = len(item.conversation.user_turns[0].images)
        completion = encoded.after(start, images=shown)
        prompt = (
            made[-1].prompt if made and _same(item, played[place - 1]) else Prompt(encoded.before(start, images=shown))
        )
        drawn = [number for reply in item.conversation.replies for number in reply.log_probs]
        made.append(Rollout(first + place, prompt, completion, _spread(drawn, completion.wrote)))
    return made


def by_prompt(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """Rollouts that stand together and share a prompt, in their order."""
    return [list(group) for _, group in groupby(rollouts, key=lambda item: id(item.prompt))]


def _spread(drawn: Sequence[float], wrote: Sequence[bool]) -> list[float] | None:
    """One number a token, 0 where the agent did not write it; None where there is not one for each that it wrote."""
    if len(drawn) != sum(wrote):
        return None
    numbers = iter(drawn)
    return [next(numbers) if own else 0.0 for own in wrote]


def _same(one: Played, other: Played) -> bool:
    """Whether two episodes began alike, word for word and image for image."""
    mine, its = (item.conversation for item in (one, other))
    first, second = mine.user_turns[0], its.user_turns[0]
    alike = (mine.system, first.text, len(first.images)) == (its.system, second.text, len(second.images))
    return alike and all(a is b for a, b in zip(first.images, second.images, strict=True))
