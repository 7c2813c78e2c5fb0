"""The scripted policy does what tests rely on: it counts, remembers, and complains when the script ends."""

import pytest

from loupe.core.policy import Conversation, Reply
from loupe.zoom.scripted import ScriptedPolicy


def test_a_script_by_key_goes_on_with_the_number_of_replies() -> None:
    policy = ScriptedPolicy({"a": ["one", Reply("two", truncated=True)]})
    later = Conversation("a", "", replies=[Reply("one")])
    assert policy.respond([Conversation("a", ""), later], seed=0) == [Reply("one"), Reply("two", truncated=True)]


def test_calls_are_counted_and_remembered_as_they_were() -> None:
    policy = ScriptedPolicy(lambda conversation: conversation.key.upper())
    talk = Conversation("a", "")
    talk.replies.extend(policy.respond([talk], seed=0))
    policy.respond([talk], seed=0)
    assert policy.calls == 2
    assert [len(call[0].replies) for call in policy.seen] == [0, 1]


def test_a_script_that_is_too_short_says_so() -> None:
    with pytest.raises(LookupError, match="0 replies for 'b'"):
        ScriptedPolicy({"a": ["one"]}).respond([Conversation("b", "")], seed=0)
