"""What the fast mode needs of an agent: one number a conversation, and not a word.

The reply is begun for the agent, up to where a rating stands, and its own distribution over the ratings is read there:
one forward pass, nothing is drawn. The agent does not reason, so what comes of it is no episode of reasoning.
`loupe.core.model.fast_rating` does it with a model in this process; a script for tests does as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from loupe.core.policy import Conversation

LEAST_MASS = 0.5
"""Share of the agent's distribution that its ratings must hold, or the number means nothing: the agent would have
written something else there. Ours."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What was read for one conversation. `expected_rating` (1..5, higher is better) is the mean of the distribution
    over ratings, `rating` the most probable one, `mass` (0..1) the share of all probability that ratings have there."""

    expected_rating: float
    rating: float
    mass: float
    seconds: float = 0.0

    @property
    def problem(self) -> str | None:
        """Why the number cannot be used; None where it can."""
        if self.mass >= LEAST_MASS:
            return None
        return f"ratings have {self.mass:.0%} of the agent's distribution where one is to stand"


class Rater(Protocol):
    """An agent whose ratings can be read without a reply."""

    def rate(self, conversations: Sequence[Conversation], *, opening: str) -> list[Rated]:
        """One rating per conversation, in order; `opening` is the text of a reply up to its rating. The conversations
        are not changed."""
        ...
