"""A reply depends on its conversation, its key and the seed, on nothing that shares the batch and on no cache."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.packed import attention_of, base_of, set_attention
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.sampling import GREEDY, Sampling

Make = Callable[..., LocalPolicy]
FAVOUR = 1e6
"""Added to a logit, it beats all others."""


def picture(number: int, *, high: int = 84) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (high, 56 + 28 * (number % 3), 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def asked(number: int) -> Conversation:
    """Conversations of several lengths over images of several sizes."""
    words = "How good is it?" + " Look closer." * (number % 4)
    return Conversation(f"image#{number}", "", [UserTurn((picture(number),), words)])


ASKED = [asked(number) for number in range(7)]


def group_of(number: int, samples: int) -> list[Conversation]:
    """The same question about the same image so many times, each under its own key."""
    one = asked(number)
    return [Conversation(f"{one.key}.{sample}", "", list(one.user_turns)) for sample in range(samples)]


def followed(talk: Conversation, reply: Reply, *, crop: Image.Image | None = None) -> Conversation:
    """The conversation with its reply, and a next look; each sample has a crop of its own."""
    crop = crop or picture(sum(talk.key.encode()) + len(talk.replies), high=56)
    looked = UserTurn((crop,), "Here it is. " * (1 + len(talk.key) % 2))
    return Conversation(talk.key, talk.system, [*talk.user_turns, looked], [*talk.replies, reply])


def played(policy: LocalPolicy, talks: Sequence[Conversation], *, turns: int, seed: int = 5) -> list[Conversation]:
    """The conversations after so many replies, with a crop before each but the first."""
    for turn in range(turns):
        replies = policy.respond(talks, seed=seed)
        if turn + 1 == turns:
            return [replace(talk, replies=[*talk.replies, reply]) for talk, reply in zip(talks, replies, strict=True)]
        talks = [followed(talk, reply) for talk, reply in zip(talks, replies, strict=True)]
    raise AssertionError("wanted at least one turn")


@torch.no_grad()
def plain_log_probs(model: Any, processor: Any, talk: Conversation, *, temperature: float) -> list[float]:
    """Log-probability of each token of each reply, by one forward over the whole conversation without padding."""
    encoder = ChatEncoder(processor)
    encoded = encoder.encode(talk)
    table = torch.log_softmax(model(**encoder.collate([encoded])).logits[0, :-1] / temperature, dim=-1)
    chosen = table.gather(1, torch.tensor(encoded.input_ids[1:])[:, None]).flatten()
    return chosen[torch.tensor(encoded.wrote[1:])].tolist()


def check_log_probs(
    model: Any, processor: Any, talks: Sequence[Conversation], *, temperature: float, tolerance: float = 1e-4
) -> None:
    for talk in talks:
        said = [number for reply in talk.replies for number in reply.log_probs]
        assert [len(reply.log_probs) for reply in talk.replies] == [len(reply.token_ids) for reply in talk.replies]
        assert said == pytest.approx(plain_log_probs(model, processor, talk, temperature=temperature), abs=tolerance)


@contextmanager
def fed_to(model: Any) -> Iterator[tuple[list[int], list[int]]]:
    """How many tokens each forward of the language model feeds, padding aside, and how many images the tower sees."""
    base = base_of(model)
    tokens: list[int] = []
    images: list[int] = []
    padding = base.config.text_config.pad_token_id or 0
    hooks = [
        base.model.register_forward_pre_hook(
            lambda _, __, inputs: tokens.append(int((inputs["input_ids"] != padding).sum())), with_kwargs=True
        ),
        base.model.visual.register_forward_pre_hook(
            lambda _, __, inputs: images.append(len(inputs["grid_thw"])), with_kwargs=True
        ),
    ]
    try:
        yield tokens, images
    finally:
        for hook in hooks:
            hook.remove()


@pytest.fixture
def policy(loaded: tuple[Any, Any]) -> Make:
    def make(
        *, temperature: float = 1.0, batch_size: int = 64, tokens: int = 12, sampling: Sampling | None = None
    ) -> LocalPolicy:
        sampling = sampling or Sampling(temperature=temperature)
        return LocalPolicy(*loaded, max_new_tokens=tokens, sampling=sampling, batch_size=batch_size)

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


# The turns of a conversation


@pytest.mark.parametrize(
    "sampling", [Sampling(0.7), Sampling(1.0), Sampling(0.7, top_k=30), Sampling(top_p=0.7), Sampling(min_p=0.2)]
)
def test_log_probabilities_are_those_of_a_plain_forward_through_three_turns(
    policy: Make, loaded: tuple[Any, Any], plain: Any, sampling: Sampling
) -> None:
    talks = played(policy(tokens=8, sampling=sampling), [*group_of(0, 3), *ASKED[1:3]], turns=3)
    check_log_probs(plain, loaded[1], talks, temperature=sampling.temperature)
    assert len({talk.replies[0].token_ids for talk in talks}) > 1


@pytest.mark.parametrize(
    ("form", "tolerance"),
    # Where nothing is to be trained, some processors compute four bits in bfloat16, and not for every number of rows.
    [("lora", 1e-4), ("lora on nf4", 1e-4), ("nf4", 0.015)],
)
def test_log_probabilities_of_an_adapter_and_of_four_bits_are_those_of_their_own_forward(
    folder: Path, form: str, tolerance: float
) -> None:
    lora = LoraSettings(enabled="lora" in form, rank=2)
    quantise = "nf4" if "nf4" in form else "none"
    start = ModelConfig(path=str(folder), quantise=quantise, lora=lora, device="cpu")
    model, processor = load_model(start, train=lora.enabled)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                # A new adapter is a matrix of zeros, which would change nothing.
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
    made = LocalPolicy(model, processor, max_new_tokens=8, sampling=Sampling(0.7))
    talks = played(made, [*group_of(0, 3), *ASKED[1:3]], turns=2)
    set_attention(model, "sdpa")
    check_log_probs(model, processor, talks, temperature=0.7, tolerance=tolerance)
    bare = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    theirs = plain_log_probs(bare, processor, talks[0], temperature=0.7)
    ours = [number for reply in talks[0].replies for number in reply.log_probs]
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 2 * tolerance


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_conversation_that_goes_on_says_what_it_would_say_afresh(policy: Make, temperature: float) -> None:
    lasting, talks = policy(temperature=temperature), [*group_of(0, 4), *group_of(1, 2), *ASKED[2:4]]
    for _ in range(3):
        replies = lasting.respond(talks, seed=5)
        afresh = policy(temperature=temperature).respond(talks, seed=5)
        assert ids(replies) == ids(afresh)
        for reply, other in zip(replies, afresh, strict=True):
            assert reply.log_probs == pytest.approx(other.log_probs, abs=1e-4)
            assert reply.expected_rating == pytest.approx(other.expected_rating, abs=1e-3)
        talks = [followed(talk, reply) for talk, reply in zip(talks, replies, strict=True)]


def test_groups_leave_and_some_of_their_samples_come_back_for_a_crop(policy: Make) -> None:
    lasting, talks = policy(), [*group_of(0, 4), *group_of(1, 2), *ASKED[2:4]]
    free = lasting.respond(talks, seed=5)
    stop_ids = tuple({reply.token_ids[2 + place] for place, reply in enumerate(free)})
    lasting.decoding = replace(lasting.decoding, stop_ids=stop_ids)
    replies = lasting.respond(talks, seed=5)
    assert len({len(reply.token_ids) for reply in replies}) > 3
    # Other samples go on each time, in another order; who is not asked any more is forgotten.
    for staying in ([6, 3, 0, 1, 4], [4, 1, 2]):
        talks = [followed(talks[place], replies[place]) for place in staying]
        replies = lasting.respond(talks, seed=5)
        fresh = policy()
        fresh.decoding = lasting.decoding
        assert ids(replies) == ids(fresh.respond(talks, seed=5))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_size_of_the_batch_changes_no_later_turn(policy: Make, batch_size: int) -> None:
    talks = [*group_of(0, 4), *ASKED[1:4]]
    together = played(policy(), talks, turns=2)
    apart = played(policy(batch_size=batch_size), talks, turns=2)
    assert [ids(talk.replies) for talk in apart] == [ids(talk.replies) for talk in together]


def test_a_prompt_and_its_image_are_read_once_however_many_samples_it_has(
    policy: Make, loaded: tuple[Any, Any]
) -> None:
    made = policy(tokens=6)
    lengths = [len(made.encoder.encode(asked(number)).input_ids) for number in (0, 1)]
    with fed_to(loaded[0]) as (tokens, images):
        made.respond([*group_of(0, 5), *group_of(1, 3)], seed=5)
    assert images == [1, 1] or images == [2]
    assert tokens == [sum(lengths), *[8] * 5]


def test_a_turn_that_goes_on_feeds_what_is_new_alone(policy: Make, loaded: tuple[Any, Any]) -> None:
    made = policy(tokens=6)
    talks = group_of(0, 3)
    known = [0, 0, 0]
    for turn in range(3):
        whole = [len(made.encoder.encode(talk).input_ids) for talk in talks]
        with fed_to(loaded[0]) as (tokens, images):
            replies = made.respond(talks, seed=5)
        # The last token that was said has not been fed before.
        assert tokens == [sum(whole) - sum(known) if turn else whole[0], 3, 3, 3, 3, 3]
        assert images == ([3] if turn else [1])
        known = [length + 5 for length in whole]
        talks = [followed(talk, reply) for talk, reply in zip(talks, replies, strict=True)]


def test_images_are_cut_into_patches_once(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = policy(tokens=3)
    processor, cut = made.encoder.processor.image_processor, Counter[int]()

    class Counting:
        merge_size = processor.merge_size

        def __call__(self, images: list[Image.Image], **kwargs: Any) -> Any:
            cut.update(id(image) for image in images)
            return processor(images=images, **kwargs)

    monkeypatch.setattr(made.encoder.processor, "image_processor", Counting())
    talks = played(made, group_of(0, 3), turns=3)
    shown = {id(image) for talk in talks for turn in talk.user_turns for image in turn.images}
    assert cut == Counter(shown)
    assert len(shown) == 1 + 2 * 3


# What is no continuation


def changed(talk: Conversation, what: str) -> Conversation:
    """A conversation of the same key in which something was different from the beginning."""
    first, *rest = talk.user_turns
    said = talk.replies[0]
    if what == "image":
        return replace(talk, user_turns=[UserTurn((picture(8),), first.text), *rest])
    if what == "pixels":
        other = Image.fromarray(255 - np.asarray(first.images[0]))
        return replace(talk, user_turns=[UserTurn((other,), first.text), *rest])
    if what == "question":
        return replace(talk, user_turns=[UserTurn(first.images, first.text.replace("good", "bad")), *rest])
    if what == "system":
        return replace(talk, system="Be kind.")
    assert what == "reply"
    token_ids = (said.token_ids[0] ^ 1, *said.token_ids[1:])
    return replace(talk, replies=[replace(said, token_ids=token_ids), *talk.replies[1:]])


@pytest.mark.parametrize("what", ["image", "pixels", "question", "system", "reply"])
def test_a_conversation_that_was_changed_is_asked_afresh(
    policy: Make, loaded: tuple[Any, Any], plain: Any, what: str
) -> None:
    made, talks = policy(), ASKED[:2]
    replies = made.respond(talks, seed=5)
    one, two = (followed(talk, reply) for talk, reply in zip(talks, replies, strict=True))
    talks = [changed(one, what), two]
    whole = [len(made.encoder.encode(talk).input_ids) for talk in talks]
    with fed_to(loaded[0]) as (tokens, _):
        later = made.respond(talks, seed=5)
    assert ids(later) == ids(policy().respond(talks, seed=5))
    check_last = [replace(talk, replies=[*talk.replies, reply]) for talk, reply in zip(talks, later, strict=True)]
    for talk in check_last:
        wanted = plain_log_probs(plain, loaded[1], talk, temperature=1.0)[-len(talk.replies[-1].log_probs) :]
        assert talk.replies[-1].log_probs == pytest.approx(wanted, abs=1e-4)
    # The changed one is read as a whole, the other goes on.
    known = len(made.encoder.encode(ASKED[1]).input_ids) + len(replies[1].token_ids) - 1
    assert sorted(count for count in tokens if count > 2) == sorted([whole[0], whole[1] - known])


def test_the_same_question_again_is_no_continuation(policy: Make) -> None:
    made = policy()
    first = made.respond(ASKED[:2], seed=5)
    assert ids(made.respond(ASKED[:2], seed=5)) == ids(first)


def test_two_conversations_of_one_key_do_not_hear_each_other(policy: Make) -> None:
    made = policy()
    (reply,) = made.respond(ASKED[:1], seed=5)
    one, two = followed(ASKED[0], reply, crop=picture(1)), followed(ASKED[0], reply, crop=picture(2))
    wanted = [policy().respond([talk], seed=5)[0].token_ids for talk in (one, two)]
    assert ids(made.respond([one, two], seed=5)) == wanted


def test_a_call_forgets_who_was_not_in_it(policy: Make, loaded: tuple[Any, Any]) -> None:
    made = policy()
    (reply,) = made.respond(ASKED[:1], seed=5)
    made.respond(ASKED[1:2], seed=5)
    talk = followed(ASKED[0], reply)
    with fed_to(loaded[0]) as (tokens, images):
        made.respond([talk], seed=5)
    assert tokens[0] == len(made.encoder.encode(talk).input_ids)
    assert sum(images) == 2


# Where a reply ends


@pytest.mark.parametrize("pieces", [["</answer>"], ["</", "ans", "wer", ">"]], ids=["whole", "in pieces"])
def test_a_reply_ends_with_its_answer_and_the_next_turn_closes_it(
    policy: Make, loaded: tuple[Any, Any], pieces: list[str]
) -> None:
    model, processor = loaded
    said = [token for piece in ["<answer>", "3", *pieces] for token in processor.tokenizer(piece).input_ids]
    script = iter([*said, *[70] * 60])

    def favour(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
        return logits.index_add(-1, torch.tensor([next(script)]), torch.full((*logits.shape[:-1], 1), FAVOUR))

    hook = model.get_output_embeddings().register_forward_hook(favour)
    try:
        made = policy(tokens=40)
        (reply,) = made.respond(ASKED[:1], seed=5)
    finally:
        hook.remove()
    assert (reply.text, reply.token_ids, reply.truncated) == ("<answer>3</answer>", tuple(said), False)
    talk = followed(ASKED[0], reply)
    encoded = made.encoder.encode(talk)
    end = encoded.wrote.index(True) + len(said)
    assert (encoded.input_ids[end], encoded.wrote[end]) == (made.encoder.end_id, False)
    assert ids(made.respond([talk], seed=5)) == ids(policy(tokens=40).respond([talk], seed=5))


def test_greedy_is_the_default(loaded: tuple[Any, Any]) -> None:
    assert LocalPolicy(*loaded, max_new_tokens=3).decoding.sampling == GREEDY


def test_attention_that_takes_no_masks_gives_way_while_a_model_plays(policy: Make, loaded: tuple[Any, Any]) -> None:
    wanted, own = ids(policy().respond(ASKED[:3], seed=5)), attention_of(loaded[0])
    set_attention(loaded[0], "flash_attention_2")
    try:
        assert ids(policy().respond(ASKED[:3], seed=5)) == wanted
        assert attention_of(loaded[0]) == "flash_attention_2"
    finally:
        set_attention(loaded[0], own)


def test_an_encoder_that_is_handed_in_is_the_one_that_is_used(policy: Make, loaded: tuple[Any, Any]) -> None:
    encoder = ChatEncoder(loaded[1])
    made = LocalPolicy(*loaded, max_new_tokens=12, sampling=Sampling(), encoder=encoder)
    assert made.encoder is encoder
    assert ids(made.respond(ASKED[:2], seed=5)) == ids(policy().respond(ASKED[:2], seed=5))


def test_a_conversation_may_bound_its_own_reply(policy: Make) -> None:
    free = policy().respond(ASKED, seed=5)
    bounded = [replace(item, max_new_tokens=3 if place == 2 else None) for place, item in enumerate(ASKED)]
    said = policy().respond(bounded, seed=5)
    assert [reply.token_ids for reply in said] == [
        reply.token_ids[:3] if place == 2 else reply.token_ids for place, reply in enumerate(free)
    ]
    assert said[2].truncated


def test_a_policy_without_room_reads_the_conversation_anew(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def second_replies() -> list[tuple[int, ...]]:
        player, going = policy(), [replace(item, user_turns=list(item.user_turns), replies=[]) for item in ASKED]
        for item, reply in zip(going, player.respond(going, seed=5), strict=True):
            item.replies.append(reply)
            item.user_turns.append(UserTurn((), "And now?"))
        return ids(player.respond(going, seed=5))

    kept = second_replies()
    monkeypatch.setattr("loupe.core.model.local_policy._REMEMBERED", 0)
    assert second_replies() == kept


def test_a_model_that_is_broken_says_so(pocket_folder: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(pocket_folder)))
    model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="not a number"):
        LocalPolicy(model, processor, max_new_tokens=3).respond(ASKED[:1], seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_the_agent_says_greedily_what_it_says_on_a_processor_and_draws_the_same_again() -> None:
    talks = [asked(number) for number in range(6)]
    policies = {
        device: LocalPolicy(*load_model(ModelConfig(device=device, dtype="float32")), max_new_tokens=48)
        for device in ("cpu", "cuda")
    }
    here, there = (played(policies[device], talks, turns=2) for device in ("cpu", "cuda"))
    assert [[reply.text for reply in talk.replies] for talk in there] == [
        [reply.text for reply in talk.replies] for talk in here
    ]
    for mine, its in zip(there, here, strict=True):
        for made, wanted in zip(mine.replies, its.replies, strict=True):
            assert made.log_probs == pytest.approx(wanted.log_probs, abs=1e-3)
    drawing = LocalPolicy(
        policies["cuda"].model,
        policies["cuda"].encoder.processor,
        max_new_tokens=24,
        sampling=Sampling(temperature=4.0),
    )
    first, again = (drawing.respond(group_of(1, 4), seed=3) for _ in range(2))
    assert [reply.text for reply in first] == [reply.text for reply in again]
    assert len({reply.text for reply in first}) > 1
