"""A policy that says what a script tells it to, for tests and for trying out a protocol without a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from loupe.core.policy import Conversation, Reply

Line = str | Reply
Script = Callable[[Conversation], Line] | Mapping[str, Sequence[Line]]
"""Either a function of the conversation so far, or the replies of each conversation key in order of the rounds."""


class ScriptedPolicy:
    """Policy that answers from a script and remembers what it was asked.

    `calls` counts the calls of `respond`; `seen` holds, for each call, copies of the conversations as they were then.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.calls = 0
        self.seen: list[tuple[Conversation, ...]] = []

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One scripted reply per conversation; the seed changes nothing. Raises LookupError where the script ends."""
        self.calls += 1
        self.seen.append(tuple(_copy(conversation) for conversation in conversations))
        lines = [self._line(conversation) for conversation in conversations]
        return [line if isinstance(line, Reply) else Reply(line) for line in lines]

    def _line(self, conversation: Conversation) -> Line:
        if callable(self._script):
            return self._script(conversation)
        lines, turn = self._script.get(conversation.key, ()), len(conversation.replies)
        if turn >= len(lines):
            raise LookupError(
                f"the script has {len(lines)} replies for {conversation.key!r}, reply {turn + 1} was asked for; add it"
            )
        return lines[turn]


def _copy(conversation: Conversation) -> Conversation:
    return replace(conversation, user_turns=list(conversation.user_turns), replies=list(conversation.replies))
