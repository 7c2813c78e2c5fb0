"""Conversations become the ids that the chat template makes of them, and the mask marks the agent's words alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.model.processors import build_pocket_processor, load_processor
from loupe.core.policy import Conversation, Reply, UserTurn

SAID = '<think>I am not sure, so I crop.</think><answer>{"rating": 2.5, "tool": "crop"}</answer>'
MEANT = '<think>It is blur.</think><answer>{"rating": 2.0, "tool": "final"}</answer>'
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="<>|\x1f"), min_size=1, max_size=20)


def picture(side: int = 112, *, high: int | None = None, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (high or side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def looks(*images: Image.Image) -> list[UserTurn]:
    return [UserTurn((image,), f"Look {number}.") for number, image in enumerate(images, 1)]


def told(texts: Sequence[str], *, system: str = "", waiting: bool = False) -> Conversation:
    turns = looks(*(picture(seed=number) for number in range(len(texts) + waiting)))
    return Conversation("a", system, turns, [Reply(text) for text in texts])


def template_ids(processor: Any, conversation: Conversation) -> list[int]:
    """What the stock processor makes of the whole text at once, pads included."""
    messages: list[dict[str, Any]] = []
    if conversation.system:
        messages.append({"role": "system", "content": [{"type": "text", "text": conversation.system}]})
    for number, turn in enumerate(conversation.user_turns):
        content = [*({"type": "image"} for _ in turn.images), {"type": "text", "text": turn.text}]
        messages.append({"role": "user", "content": content})
        if number < len(conversation.replies):
            said = [{"type": "text", "text": conversation.replies[number].text}]
            messages.append({"role": "assistant", "content": said})
    waiting = len(conversation.user_turns) > len(conversation.replies)
    text = processor.tokenizer.apply_chat_template(
        messages, chat_template=processor.chat_template, tokenize=False, add_generation_prompt=waiting
    )
    images = [image for turn in conversation.user_turns for image in turn.images]
    return processor(text=[text], images=images or None)["input_ids"][0]


@pytest.fixture(scope="module")
def encoder() -> ChatEncoder:
    return ChatEncoder(build_pocket_processor())


@pytest.fixture(params=["pocket", "qwen3"])
def any_encoder(request: pytest.FixtureRequest) -> ChatEncoder:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return ChatEncoder(load_processor(folder, model_type={"pocket": "qwen2_5_vl", "qwen3": "qwen3_vl"}[request.param]))


@pytest.mark.parametrize("system", ["", "You judge images."])
@pytest.mark.parametrize("texts", [[], [SAID], [SAID, MEANT]])
def test_a_prompt_is_the_chat_template_tokenised_at_once(
    any_encoder: ChatEncoder, texts: list[str], system: str
) -> None:
    conversation = told(texts, system=system, waiting=True)
    assert any_encoder.encode(conversation).input_ids == template_ids(any_encoder.processor, conversation)


def test_a_finished_conversation_is_the_chat_template_up_to_its_last_end_token(any_encoder: ChatEncoder) -> None:
    conversation = told([SAID, MEANT], system="You judge images.")
    newline = any_encoder.tokenizer("\n").input_ids
    assert any_encoder.encode(conversation).input_ids + newline == template_ids(any_encoder.processor, conversation)


def test_what_was_said_before_is_a_prefix_of_what_comes_next(encoder: ChatEncoder) -> None:
    whole = encoder.encode(told([SAID, MEANT]))
    for replies in (0, 1):
        prompt = encoder.encode(told([SAID, MEANT][:replies], waiting=True))
        assert whole.input_ids[: len(prompt.input_ids)] == prompt.input_ids
        assert whole.wrote[len(prompt.input_ids)]
        assert not prompt.wrote[-1]


def test_the_mask_marks_the_replies_with_their_end_tokens_and_nothing_else(encoder: ChatEncoder) -> None:
    encoded = encoder.encode(told([SAID, MEANT], system="You judge images."))
    wrote = [token for token, mine in zip(encoded.input_ids, encoded.wrote, strict=True) if mine]
    others = [token for token, mine in zip(encoded.input_ids, encoded.wrote, strict=True) if not mine]
    assert encoder.tokenizer.decode(wrote) == f"{SAID}<|im_end|>{MEANT}<|im_end|>"
    assert encoder.tokenizer.decode(others).replace("<|image_pad|>", "") == (
        "<|im_start|>system\nYou judge images.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|vision_end|>Look 1.<|im_end|>\n<|im_start|>assistant\n"
        "\n<|im_start|>user\n<|vision_start|><|vision_end|>Look 2.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_prompt_that_waits_holds_nothing_that_the_agent_wrote(encoder: ChatEncoder) -> None:
    assert not any(encoder.encode(told([], waiting=True)).wrote)


def test_each_image_takes_as_many_pads_as_its_grid_says(any_encoder: ChatEncoder) -> None:
    images = (picture(112), picture(60, high=90, seed=1), picture(28, seed=2))
    encoded = any_encoder.encode(Conversation("a", "", [UserTurn(images, "All of these.")]))
    assert encoded.grid_thw is not None
    assert encoded.pixel_values is not None
    text = any_encoder.tokenizer.decode(encoded.input_ids)
    spans = [part.split("<|vision_end|>")[0] for part in text.split("<|vision_start|>")[1:]]
    merge = any_encoder.processor.image_processor.merge_size**2
    assert [span.count("<|image_pad|>") for span in spans] == [int(grid.prod()) // merge for grid in encoded.grid_thw]
    assert len(set(encoded.grid_thw.prod(-1).tolist())) > 1
    assert len(encoded.pixel_values) == int(encoded.grid_thw.prod(-1).sum())


def test_images_keep_their_order_over_the_turns(encoder: ChatEncoder) -> None:
    first, second = picture(112), picture(56, seed=1)
    encoded = encoder.encode(Conversation("a", "", looks(first, second), [Reply(SAID)]))
    patches = encoder.processor.image_processor(images=[first, second], return_tensors="pt")["pixel_values"]
    assert torch.equal(torch.as_tensor(encoded.pixel_values), patches)


def test_text_alone_has_no_pixels(encoder: ChatEncoder) -> None:
    encoded = encoder.encode(Conversation("a", "", [UserTurn((), "Judge nothing.")]))
    assert encoded.pixel_values is None
    assert encoded.grid_thw is None


def test_a_truncated_reply_has_no_end_token_of_its_own(encoder: ChatEncoder) -> None:
    cut = Reply(SAID, encoder.reply_ids(SAID)[:-1], truncated=True)
    last = encoder.encode(Conversation("a", "", looks(picture()), [cut]))
    assert last.input_ids[-1] != encoder.end_id
    assert last.wrote[-1]
    between = encoder.encode(Conversation("a", "", looks(picture(), picture()), [cut]))
    whole = encoder.encode(told([SAID], waiting=True))
    assert len(between.input_ids) == len(whole.input_ids)
    end = len(last.input_ids)
    assert between.input_ids[end] == whole.input_ids[end] == encoder.end_id
    assert (between.wrote[end], whole.wrote[end]) == (False, True)


def test_sampled_ids_survive_as_they_were_sampled(encoder: ChatEncoder) -> None:
    letters = [encoder.tokenizer.convert_tokens_to_ids(letter) for letter in "crop"]
    assert tuple(letters) != encoder.reply_ids("crop")[:-1]
    assert encoder.tokenizer.decode(letters) == "crop"
    sampled = (*letters, encoder.end_id)
    turns = looks(picture(), picture())
    encoded = encoder.encode(Conversation("a", "", turns, [Reply("crop", sampled)]))
    wrote = [token for token, mine in zip(encoded.input_ids, encoded.wrote, strict=True) if mine]
    assert wrote == list(sampled)


def test_a_reply_that_stopped_on_another_token_is_closed_by_the_template(encoder: ChatEncoder) -> None:
    stop = encoder.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    said = (*encoder.reply_ids("crop")[:-1], stop)
    encoded = encoder.encode(Conversation("a", "", looks(picture(), picture()), [Reply("crop", said)]))
    place = encoded.input_ids.index(stop)
    assert encoded.input_ids[place + 1] == encoder.end_id
    assert (encoded.wrote[place], encoded.wrote[place + 1]) == (True, False)


@settings(max_examples=25)
@given(st.lists(WORDS, min_size=1, max_size=3))
def test_replies_of_any_words_come_back_from_the_mask(encoder: ChatEncoder, texts: list[str]) -> None:
    turns = [UserTurn((), "And?") for _ in texts]
    encoded = encoder.encode(Conversation("a", "", turns, [Reply(text) for text in texts]))
    wrote = [token for token, mine in zip(encoded.input_ids, encoded.wrote, strict=True) if mine]
    assert wrote == [token for text in texts for token in encoder.reply_ids(text)]


@pytest.mark.parametrize(("users", "replies"), [(0, 0), (0, 1), (1, 2), (2, 0)])
def test_turns_that_are_not_taken_in_turn_are_refused(encoder: ChatEncoder, users: int, replies: int) -> None:
    turns = [UserTurn((), "Again.")] * users
    with pytest.raises(ModelError, match=f"{users} user turns and {replies} replies; wanted them to take turns"):
        encoder.encode(Conversation("a", "", turns, [Reply("No.")] * replies))


def test_a_template_that_hides_replies_is_refused() -> None:
    processor = build_pocket_processor()
    processor.chat_template = "{% for message in messages %}{{ message['role'] }}{% endfor %}"
    with pytest.raises(ModelError, match="drops or repeats assistant messages"):
        ChatEncoder(processor).encode(told([SAID]))


def test_words_that_look_like_an_image_are_refused(encoder: ChatEncoder) -> None:
    turns = [UserTurn((picture(),), "What is <|image_pad|>?")]
    with pytest.raises(ModelError, match="2 image places for 1 image"):
        encoder.encode(Conversation("a", "", turns))


def test_a_batch_is_padded_on_the_left_and_keeps_all_images_in_order(encoder: ChatEncoder) -> None:
    rows = [
        encoder.encode(told([SAID, MEANT])),
        encoder.encode(Conversation("b", "", [UserTurn((), "No image.")])),
        encoder.encode(told([], waiting=True)),
    ]
    batch = encoder.collate(rows)
    length = max(len(row.input_ids) for row in rows)
    for index, row in enumerate(rows):
        pad = length - len(row.input_ids)
        assert batch["input_ids"][index].tolist() == [encoder.tokenizer.pad_token_id] * pad + row.input_ids
        assert batch["attention_mask"][index].tolist() == [0] * pad + [1] * len(row.input_ids)
    assert torch.equal(batch["mm_token_type_ids"], (batch["input_ids"] == encoder.image_token_id).long())
    assert batch["image_grid_thw"].shape == (3, 3)
    pixels = [row.pixel_values for row in (rows[0], rows[2]) if row.pixel_values is not None]
    assert torch.equal(batch["pixel_values"], torch.cat(pixels))


def test_a_batch_without_images_has_no_pixels(encoder: ChatEncoder) -> None:
    batch = encoder.collate([encoder.encode(Conversation("b", "", [UserTurn((), "No image.")]))])
    assert set(batch) == {"input_ids", "attention_mask", "mm_token_type_ids"}


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=3), st.data())
def test_before_and_after_are_the_two_parts_of_a_whole(
    encoder: ChatEncoder, counts: list[int], data: st.DataObject
) -> None:
    shown = [[picture(28 * (2 + place), seed=turn) for place in range(count)] for turn, count in enumerate(counts)]
    turns = [UserTurn(tuple(images), "And?") for images in shown]
    encoded = encoder.encode(Conversation("a", "", turns, [Reply(SAID)] * (len(counts) - 1)))
    count = data.draw(st.integers(0, len(encoded.input_ids)))
    images = data.draw(st.integers(0, sum(counts)))
    first, last = encoded.before(count, images=images), encoded.after(count, images=images)
    assert first.input_ids + last.input_ids == encoded.input_ids
    assert first.wrote + last.wrote == encoded.wrote
    assert (len(first.input_ids), len(first.wrote)) == (count, count)
    for part, own in ((first, images), (last, sum(counts) - images)):
        assert (part.grid_thw is None) == (part.pixel_values is None) == (own == 0)
        assert part.grid_thw is None or len(part.grid_thw) == own
    if encoded.pixel_values is not None and encoded.grid_thw is not None:
        pixels = [part.pixel_values for part in (first, last) if part.pixel_values is not None]
        grids = [part.grid_thw for part in (first, last) if part.grid_thw is not None]
        assert torch.equal(torch.cat(pixels), encoded.pixel_values)
        assert torch.equal(torch.cat(grids), encoded.grid_thw)


def test_a_worked_example_of_before_and_after() -> None:
    # An image of four patches and one of two.
    pixels, grids = torch.arange(6.0)[:, None], torch.tensor([[1, 2, 2], [1, 1, 2]])
    encoded = Encoded([7, 8, 9], [False, True, False], pixels, grids)
    first, last = encoded.before(2, images=1), encoded.after(2, images=1)
    assert (first.input_ids, first.wrote) == ([7, 8], [False, True])
    assert (last.input_ids, last.wrote) == ([9], [False])
    assert first.pixel_values is not None and last.pixel_values is not None
    assert first.pixel_values.flatten().tolist() == [0, 1, 2, 3]
    assert last.pixel_values.flatten().tolist() == [4, 5]
    assert first.grid_thw is not None and first.grid_thw.tolist() == [[1, 2, 2]]
    assert last.grid_thw is not None and last.grid_thw.tolist() == [[1, 1, 2]]


class Counting:
    """An image processor that remembers what it was asked for."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.merge_size = processor, processor.merge_size
        self.seen: list[Image.Image] = []

    def __call__(self, images: list[Image.Image], **kwargs: Any) -> Any:
        self.seen += images
        return self.processor(images=images, **kwargs)


@pytest.fixture
def counting() -> tuple[ChatEncoder, Counting]:
    made = ChatEncoder(build_pocket_processor())
    made.processor.image_processor = counting = Counting(made.processor.image_processor)
    return made, counting


def test_an_image_is_cut_into_patches_once_whatever_shows_it(counting: tuple[ChatEncoder, Counting]) -> None:
    encoder, counter = counting
    one, other = picture(112), picture(56)
    for _ in range(3):
        encoder.encode(Conversation("a", "", looks(one)))
        encoder.encode(Conversation("b", "", looks(one, other, one), [Reply(SAID), Reply(MEANT)]))
    assert [id(image) for image in counter.seen] == [id(one), id(other)]


def test_another_image_of_the_same_size_is_cut_for_itself(counting: tuple[ChatEncoder, Counting]) -> None:
    encoder, counter = counting
    for seed in range(6):
        # Nothing holds the image of the round before, so its place in memory would be free.
        encoded = encoder.encode(Conversation("a", "", looks(picture(112, seed=seed))))
        wanted = counter.processor(images=[picture(112, seed=seed)], return_tensors="pt")["pixel_values"]
        assert torch.equal(torch.as_tensor(encoded.pixel_values), wanted)
    assert len(counter.seen) == 6


def test_the_oldest_image_is_forgotten_where_memory_is_short(
    counting: tuple[ChatEncoder, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, counter = counting
    images = [picture(112, seed=seed) for seed in range(3)]
    patches = counter.processor(images=images[:1], return_tensors="pt")["pixel_values"]
    each = patches.nbytes + 3 * images[0].width * images[0].height
    monkeypatch.setattr("loupe.core.model.encode._REMEMBERED", 2 * each)
    encoded = encoder.encode(Conversation("a", "", [UserTurn(tuple(images), "All.")]))
    assert torch.equal(
        torch.as_tensor(encoded.pixel_values), counter.processor(images=images, return_tensors="pt")["pixel_values"]
    )
    for image, times in zip(reversed(images), (1, 1, 2), strict=True):
        encoder.encode(Conversation("a", "", looks(image)))
        assert sum(seen is image for seen in counter.seen) == times


def test_an_image_that_is_larger_than_the_memory_is_encoded_all_the_same(
    counting: tuple[ChatEncoder, Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, counter = counting
    monkeypatch.setattr("loupe.core.model.encode._REMEMBERED", 1)
    image = picture(112)
    for times in (1, 2):
        encoded = encoder.encode(Conversation("a", "", looks(image)))
        assert torch.as_tensor(encoded.pixel_values).shape[0] == 64
        assert len(counter.seen) == times


def test_words_that_are_remembered_come_out_as_they_did_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loupe.core.model.encode._TEXTS", 2)
    lasting = ChatEncoder(build_pocket_processor())
    talks = [told([SAID, MEANT][:replies], waiting=waiting) for replies in (1, 2) for waiting in (True, False)]
    talks += [told([SAID], system="You judge images."), told([MEANT]), Conversation("a", "", [UserTurn((), "Look 1.")])]
    for talk in [*talks, *reversed(talks)]:
        encoded = lasting.encode(talk)
        fresh = ChatEncoder(lasting.processor).encode(talk)
        assert (encoded.input_ids, encoded.wrote) == (fresh.input_ids, fresh.wrote)
        # What becomes of the ids is their owner's business, and is not remembered.
        encoded.input_ids.clear()
