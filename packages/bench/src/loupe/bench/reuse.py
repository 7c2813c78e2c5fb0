"""A policy that remembers its replies, so that looks which begin alike pay for their first turn once.

Zooming as decided, at random and at the true region show the same overview with the same question; under a fixed seed
the first reply is the same too, and it is most of the work. What identifies a reply is everything that the policy could
know: the seed, the conversation's key, every word and every pixel.
"""

from collections.abc import Sequence
from hashlib import blake2b

from PIL import Image

from loupe.core.policy import Conversation, Policy, Reply


class RememberingPolicy:
    """Asks `policy` only for conversations that it has not answered before. Replies come back as they were, seconds
    included. Memory grows until `forget`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._replies: dict[str, Reply] = {}

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation, in order; those that differ in nothing are asked once."""
        keys = [_fingerprint(conversation, seed=seed) for conversation in conversations]
        new = {key: item for key, item in zip(keys, conversations, strict=True) if key not in self._replies}
        if new:
            self._replies |= zip(new, self._policy.respond(list(new.values()), seed=seed), strict=True)
        return [self._replies[key] for key in keys]

    def forget(self) -> None:
        """Drop all that is remembered."""
        self._replies.clear()


def _fingerprint(conversation: Conversation, *, seed: int) -> str:
    turns = [(turn.text, [_pixels(image) for image in turn.images]) for turn in conversation.user_turns]
    replies = [(reply.text, reply.token_ids) for reply in conversation.replies]
    known = (seed, conversation.key, conversation.system, turns, replies)
    return blake2b(repr(known).encode(), digest_size=16).hexdigest()


def _pixels(image: Image.Image) -> tuple[str, tuple[int, int], str]:
    return image.mode, image.size, blake2b(image.tobytes(), digest_size=16).hexdigest()
