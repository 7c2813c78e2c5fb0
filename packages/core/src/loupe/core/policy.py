"""What the zoom loop needs of an agent: given conversations, one reply each. Nothing about how it is computed.

A local model, a server behind an HTTP interface and a script for tests all fit; the loop cannot tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class Reply:
    """One completion. `token_ids` are the sampled ids, end token included, where the policy knows them; `log_probs` has
    one number for each of them, under the model's whole distribution at the temperature of the draw.

    `truncated` says that the token limit ended it. `expected_rating` as in `records.Turn`.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    expected_rating: float | None = None


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the agent is shown and asked: the images come first, then the text."""

    images: tuple[Image.Image, ...]
    text: str


@dataclass(slots=True)
class Conversation:
    """A growing conversation of the `append` layout: user turns and replies take turns, a user turn comes first.

    `key` names the conversation (image and sample number); a policy draws its random numbers from it and the seed, so a
    reply does not depend on which other conversations share the batch. `max_new_tokens` bounds each reply, where the
    policy's own bound is not lower.
    """

    key: str
    system: str
    user_turns: list[UserTurn] = field(default_factory=list[UserTurn])
    replies: list[Reply] = field(default_factory=list[Reply])
    max_new_tokens: int | None = None


class Policy(Protocol):
    """An agent that can go on with conversations whose last turn is the user's."""

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order. The conversations are not changed."""
        ...
