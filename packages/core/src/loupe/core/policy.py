"""What the zoom loop needs of an agent: given conversations, one reply each. Nothing about how it is computed.

A local model, a server behind an HTTP interface and a script for tests all fit; the loop cannot tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from loupe.core.errors import ModelError

PICTURE = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands in the text of a user turn where one of its images is shown."""


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

    @property
    def tokens(self) -> int:
        """Tokens that were written, as far as the policy knows."""
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the agent is shown and asked. Where the text has a `PICTURE` for each image, they stand there, in order;
    where it has none, they come before it. Raises ModelError for a text with too few or too many."""

    images: tuple[Image.Image, ...]
    text: str

    def __post_init__(self) -> None:
        places = self.text.count(PICTURE)
        if places not in (0, len(self.images)):
            raise ModelError(f"a user turn has {len(self.images)} images and {places} places for them; wanted one each")

    @property
    def parts(self) -> "list[str | Image.Image]":
        """Images and pieces of text in the order in which they are shown."""
        if PICTURE not in self.text:
            return [*self.images, self.text]
        first, *rest = self.text.split(PICTURE)
        mixed = [first, *(part for pair in zip(self.images, rest, strict=True) for part in pair)]
        return [part for part in mixed if part]


@dataclass(slots=True)
class Conversation:
    """A growing conversation: user turns and replies take turns, a user turn comes first.

    `key` names the conversation (image and sample number); a policy draws its random numbers from it and the seed, so a
    reply does not depend on which other conversations share the batch. `max_new_tokens` bounds each reply, where the
    policy's own bound is not lower. The first `recalled` replies are quoted from an earlier conversation: they are
    context here, and nothing is learnt from them.
    """

    key: str
    system: str
    user_turns: list[UserTurn] = field(default_factory=list[UserTurn])
    replies: list[Reply] = field(default_factory=list[Reply])
    max_new_tokens: int | None = None
    recalled: int = 0


class Policy(Protocol):
    """An agent that can go on with conversations whose last turn is the user's."""

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order. The conversations are not changed."""
        ...
