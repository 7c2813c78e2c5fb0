"""A reply depends on its conversation, its key and the seed, and on nothing that happens to share the batch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.policy import Conversation, Reply, UserTurn

Make = Callable[..., LocalPolicy]


def asked(number: int) -> Conversation:
    """Conversations of several lengths over images of several sizes."""
    pixels = np.random.default_rng(number).integers(0, 256, (84, 56 + 28 * (number % 3), 3), dtype=np.uint8)
    words = "How good is it?" + " Look closer." * (number % 4)
    return Conversation(f"image#{number}", "", [UserTurn((Image.fromarray(pixels),), words)])


ASKED = [asked(number) for number in range(7)]


@pytest.fixture(scope="module")
def loaded(pocket_folder: Path) -> tuple[Any, Any]:
    return load_model(ModelConfig(path=str(pocket_folder)))


@pytest.fixture
def policy(loaded: tuple[Any, Any]) -> Make:
    def make(*, temperature: float = 1.0, batch_size: int = 64, tokens: int = 12) -> LocalPolicy:
        return LocalPolicy(*loaded, max_new_tokens=tokens, temperature=temperature, batch_size=batch_size)

    return make


def ids(replies: Sequence[Reply]) -> list[tuple[int, ...]]:
    return [reply.token_ids for reply in replies]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_size_of_the_batch_changes_no_reply(policy: Make, batch_size: int, temperature: float) -> None:
    together = policy(temperature=temperature).respond(ASKED, seed=5)
    apart = policy(temperature=temperature, batch_size=batch_size).respond(ASKED, seed=5)
    assert ids(apart) == ids(together)


def test_replies_that_end_early_change_no_other_reply(policy: Make) -> None:
    free = policy().respond(ASKED, seed=5)
    # Tokens from the middle of some replies: those replies end there, the others may go on.
    stop_ids = tuple(reply.token_ids[place] for place, reply in enumerate(free[:4], 2))
    together, alone = policy(), policy(batch_size=1)
    together.decoding = alone.decoding = replace(together.decoding, stop_ids=stop_ids)
    said = together.respond(ASKED, seed=5)
    assert 4 <= sum(not reply.truncated for reply in said) < len(ASKED)
    assert ids(said) == ids(alone.respond(ASKED, seed=5))
    for reply, whole in zip(said, free, strict=True):
        assert reply.token_ids == whole.token_ids[: len(reply.token_ids)]


def test_the_order_of_the_conversations_changes_no_reply(policy: Make) -> None:
    order = [4, 0, 6, 2, 1, 5, 3]
    straight = ids(policy().respond(ASKED, seed=5))
    assert ids(policy().respond([ASKED[place] for place in order], seed=5)) == [straight[place] for place in order]


def test_a_conversation_gets_the_same_reply_alone(policy: Make) -> None:
    assert ids(policy().respond(ASKED[3:4], seed=5)) == ids(policy().respond(ASKED, seed=5))[3:4]


def test_the_same_seed_says_the_same_and_another_seed_something_else(policy: Make) -> None:
    first, again, other = (ids(policy().respond(ASKED, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert all(mine != its for mine, its in zip(first, other, strict=True))


def test_another_key_says_something_else(policy: Make) -> None:
    twin = replace(ASKED[0], key="image#0b")
    first, second = ids(policy().respond([ASKED[0], twin], seed=5))
    assert first != second


def test_the_second_turn_does_not_draw_the_numbers_of_the_first(policy: Make) -> None:
    # At this temperature every token is about as likely, so equal numbers would give equal tokens.
    hot = policy(temperature=1e6)
    (first,) = hot.respond(ASKED[:1], seed=5)
    later = Conversation(ASKED[0].key, "", [*ASKED[0].user_turns, UserTurn((), "And?")], [first])
    (second,) = hot.respond([later], seed=5)
    assert sum(a == b for a, b in zip(first.token_ids, second.token_ids, strict=False)) <= 2


def test_at_temperature_zero_the_seed_changes_nothing(policy: Make) -> None:
    greedy = policy(temperature=0.0)
    assert ids(greedy.respond(ASKED, seed=1)) == ids(greedy.respond(ASKED, seed=2))


def test_a_reply_says_whether_the_limit_cut_it(policy: Make) -> None:
    cut = policy(tokens=5).respond(ASKED, seed=5)
    assert all(reply.truncated and len(reply.token_ids) == 5 for reply in cut)
    stopping = policy(tokens=5)
    stopping.decoding = replace(stopping.decoding, stop_ids=(cut[0].token_ids[2],))
    (reply,) = stopping.respond(ASKED[:1], seed=5)
    assert not reply.truncated
    assert reply.token_ids == cut[0].token_ids[:3]


def test_the_text_is_what_the_ids_say_without_control_tokens(policy: Make, loaded: tuple[Any, Any]) -> None:
    stopping = policy(temperature=1e6, tokens=40)
    end = loaded[1].tokenizer.convert_tokens_to_ids("<|im_end|>")
    rare = set(range(40, loaded[0].config.text_config.vocab_size)) - {end}
    stopping.decoding = replace(stopping.decoding, suppress_ids=tuple(rare))
    (reply,) = stopping.respond(ASKED[:1], seed=5)
    assert reply.token_ids[-1] == end
    assert reply.text == loaded[1].tokenizer.decode(reply.token_ids[:-1])
    assert reply.seconds > 0


def test_nothing_asked_is_nothing_said(policy: Make) -> None:
    assert policy().respond([], seed=0) == []


def test_a_model_in_training_goes_back_to_it_also_after_an_error(policy: Make, loaded: tuple[Any, Any]) -> None:
    model = loaded[0]
    model.train()
    try:
        policy().respond(ASKED[:1], seed=0)
        assert model.training
        broken = policy()
        broken.decoding = replace(broken.decoding, suppress_ids=(10**6,))
        with pytest.raises(IndexError):
            broken.respond(ASKED[:1], seed=0)
        assert model.training
    finally:
        model.eval()
    policy().respond(ASKED[:1], seed=0)
    assert not model.training


def test_a_conversation_that_is_answered_is_not_changed(policy: Make) -> None:
    conversation = asked(1)
    policy().respond([conversation], seed=0)
    assert (len(conversation.user_turns), conversation.replies) == (1, [])
