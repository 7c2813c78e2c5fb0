"""The agent of an audit: loaded when it is first asked, and asked for the same first look once.

An audit plays the same images under many seeds and controls, all of which begin with the same overview and question.
A greedy agent answers that alike under every seed, so its first replies are kept for all of them; replies to crops
differ and are not kept. An audit that is complete loads no model.
"""

from collections.abc import Callable, Sequence

from loupe.bench.reuse import RememberingPolicy
from loupe.core.policy import Conversation, Policy, Reply


class LatePolicy:
    """Policy made by `load` at the first question. `greedy` says that seeds have no bearing on what it answers."""

    def __init__(self, load: Callable[[], Policy], *, greedy: bool) -> None:
        self._load = load
        self._greedy = greedy
        self._policy: Policy | None = None
        self._first: RememberingPolicy | None = None

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order."""
        if self._policy is None or self._first is None:
            self._policy = self._load()
            self._first = RememberingPolicy(self._policy)
        if any(conversation.replies for conversation in conversations):
            return self._policy.respond(conversations, seed=seed)
        return self._first.respond(conversations, seed=0 if self._greedy else seed)

    def forget(self) -> None:
        """Drop the first replies that are kept."""
        if self._first is not None:
            self._first.forget()
