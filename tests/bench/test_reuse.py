from PIL import Image

from loupe.bench.reuse import RememberingPolicy
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.zoom.scripted import ScriptedPolicy

GREY, WHITE = Image.new("RGB", (8, 8), "grey"), Image.new("RGB", (8, 8), "white")


def asked(
    key: str = "a", image: Image.Image = GREY, text: str = "Judge.", said: tuple[str, ...] = (), system: str = ""
) -> Conversation:
    return Conversation(key, system, [UserTurn((image,), text)], [Reply(word) for word in said])


def remembering() -> tuple[RememberingPolicy, ScriptedPolicy]:
    counting = ScriptedPolicy(lambda conversation: f"reply to {conversation.key}")
    return RememberingPolicy(counting), counting


def test_the_same_conversation_is_asked_once():
    policy, inner = remembering()
    first = policy.respond([asked()], seed=0)
    again = policy.respond([asked(image=GREY.copy())], seed=0)
    assert inner.calls == 1
    assert again == first


def test_whatever_the_policy_could_know_makes_another_conversation():
    policy, inner = remembering()
    policy.respond([asked()], seed=0)
    others = [asked("b"), asked(image=WHITE), asked(text="Look."), asked(said=("hm",)), asked(system="Be strict.")]
    for other in others:
        policy.respond([other], seed=0)
    policy.respond([asked()], seed=1)
    assert inner.calls == 1 + len(others) + 1


def test_pixels_count_by_their_layout_too():
    policy, inner = remembering()
    policy.respond([asked(image=Image.new("RGB", (4, 16), "grey"))], seed=0)
    policy.respond([asked(image=Image.new("RGB", (16, 4), "grey"))], seed=0)
    assert inner.calls == 2


def test_new_and_old_conversations_come_back_in_order():
    policy, inner = remembering()
    policy.respond([asked("b")], seed=0)
    replies = policy.respond([asked("a"), asked("b"), asked("c"), asked("a")], seed=0)
    assert [reply.text for reply in replies] == ["reply to a", "reply to b", "reply to c", "reply to a"]
    assert [conversation.key for conversation in inner.seen[1]] == ["a", "c"]


def test_what_is_forgotten_is_asked_again():
    policy, inner = remembering()
    policy.respond([asked()], seed=0)
    policy.forget()
    policy.respond([asked()], seed=0)
    assert inner.calls == 2
