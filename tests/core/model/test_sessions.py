"""Who shares a prompt, who goes on where it stood, and that only what is new enters the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.model.grouped_cache import Parked, Prompt
from loupe.core.model.sessions import Standing, Turn, batches, images_of, read
from loupe.core.policy import Conversation, Reply, UserTurn

NOTHING = Parked(Prompt([]), [])


def picture(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(side).integers(0, 256, (84, side, 3), dtype=np.uint8))


A, B = picture(56), picture(112)


def words(*ids: int) -> Encoded:
    return Encoded(list(ids), [False] * len(ids), None, None)


def stood(*ids: int, images: tuple[Image.Image, ...] = (), parked: Parked = NOTHING) -> Standing:
    return Standing(parked, list(ids), len(ids) - 1, images)


def indices(made: list[list[list[Turn]]]) -> list[list[list[int]]]:
    return [[[turn.index for turn in group] for group in groups] for groups in made]


@pytest.mark.parametrize(
    ("ids", "images", "goes_on"),
    [
        ((1, 2, 3, 4), (A,), True),
        ((1, 2, 3, 4, 5), (A, B), True),
        ((1, 2, 3), (A,), False),
        ((1, 2), (A,), False),
        ((1, 9, 3, 4), (A,), False),
        ((2, 3, 4, 5), (A,), False),
        ((1, 2, 3, 4), (), False),
        ((1, 2, 3, 4), (B,), False),
        ((1, 2, 3, 4), (B, A), False),
        # Equal pixels are not enough: who wants to go on shows the picture itself.
        ((1, 2, 3, 4), (A.copy(),), False),
    ],
)
def test_a_conversation_goes_on_with_the_same_words_and_images_and_something_new(
    ids: tuple[int, ...], images: tuple[Image.Image, ...], goes_on: bool
) -> None:
    assert stood(1, 2, 3, images=(A,)).goes_on(words(*ids), images) is goes_on


def test_what_is_new_is_what_stands_behind_the_words_and_images_so_far() -> None:
    pixels, grids = torch.arange(12.0)[:, None], torch.tensor([[1, 2, 2], [1, 4, 2]])
    encoded = Encoded([1, 2, 3, 4, 5], [False, True, True, False, False], pixels, grids)
    fresh = Turn(0, encoded, (A, B))
    assert fresh.new is encoded
    new = Turn(0, encoded, (A, B), stood(1, 2, images=(A,))).new
    assert (new.input_ids, new.wrote) == ([3, 4, 5], [True, False, False])
    assert new.pixel_values is not None and new.grid_thw is not None
    assert new.pixel_values.flatten().tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert new.grid_thw.tolist() == [[1, 4, 2]]


def test_the_images_of_a_conversation_keep_their_order() -> None:
    turns = [UserTurn((A, B), "Both."), UserTurn((), "None."), UserTurn((A,), "One.")]
    assert [id(image) for image in images_of(Conversation("a", "", turns))] == [id(A), id(B), id(A)]


def test_the_same_question_about_the_same_image_makes_a_group() -> None:
    turns = [
        Turn(0, words(1, 2, 3), (A,)),
        Turn(1, words(1, 2, 4), (A,)),
        Turn(2, words(1, 2, 3), (A,)),
        Turn(3, words(1, 2, 3), (B,)),
    ]
    assert indices(batches(turns, 8)) == [[[0, 2], [1], [3]]]


def test_batches_hold_no_more_than_their_size_and_like_lengths() -> None:
    lengths = [5, 2, 5, 9, 2, 5]
    turns = [Turn(place, words(*range(length), 100 + (length == 9)), ()) for place, length in enumerate(lengths)]
    assert indices(batches(turns, 8)) == [[[1, 4], [0, 2, 5], [3]]]
    assert indices(batches(turns, 3)) == [[[1, 4]], [[0, 2, 5]], [[3]]]
    # A group that is larger than a batch is split, and its rest goes with whoever is next.
    assert indices(batches(turns, 2)) == [[[1, 4]], [[0, 2]], [[5], [3]]]
    assert indices(batches(turns, 1)) == [[[1]], [[4]], [[0]], [[2]], [[5]], [[3]]]
    assert batches([], 2) == []


def test_who_goes_on_and_who_begins_never_share_a_batch() -> None:
    one, other = (Parked(Prompt([]), []) for _ in range(2))
    turns = [
        Turn(0, words(1, 2, 3), ()),
        Turn(1, words(1, 2, 3), (), stood(1, parked=one)),
        Turn(2, words(1, 2, 3, 4, 5), (), stood(1, 2, parked=other)),
        Turn(3, words(1, 9, 3), (), stood(1, 9, parked=Parked(one.prompt, []))),
    ]
    # The samples of a group stand together; only what is new counts as length: two and one, three.
    assert indices(batches(turns, 8)) == [[[1, 3], [2]], [[0]]]


def looked(*sides: int, key: str = "a", said: str = "Let me look closer.") -> Conversation:
    turns = [UserTurn((picture(side),), f"What of this, {side}?") for side in sides]
    return Conversation(key, "", turns, [Reply(said)] * (len(sides) - 1))


@contextmanager
def fed_to(model: Any) -> Iterator[list[torch.Tensor]]:
    """The ids that go through the language model meanwhile."""
    seen: list[torch.Tensor] = []
    hook = model.model.register_forward_pre_hook(
        lambda _, __, inputs: seen.append(inputs["input_ids"]), with_kwargs=True
    )
    try:
        yield seen
    finally:
        hook.remove()


def test_reading_a_batch_gives_the_logits_of_each_conversation_alone(models: tuple[Any, Any, Any]) -> None:
    model, processor, plain = models
    encoder = ChatEncoder(processor)
    conversations = [looked(112), looked(56, 84), looked(28, 112, 56)]
    turns = [Turn(place, encoder.encode(asked), images_of(asked)) for place, asked in enumerate(conversations)]
    writing = read(model, [[turns[0]] * 2, [turns[1]], [turns[2]] * 3], pad_id=processor.tokenizer.pad_token_id)
    assert len(writing.logits) == 6
    for row, group in enumerate([0, 0, 1, 2, 2, 2]):
        batch = encoder.collate([turns[group].encoded])
        with torch.no_grad():
            wanted = plain(**batch).logits[0, -1]
        torch.testing.assert_close(writing.logits[row], wanted, rtol=0, atol=1e-4)
        positions, _ = plain.model.get_rope_index(
            batch["input_ids"],
            image_grid_thw=batch["image_grid_thw"],
            attention_mask=batch["attention_mask"],
            mm_token_type_ids=batch["mm_token_type_ids"],
        )
        assert writing.places[row] == positions.max()


def test_going_on_feeds_what_is_new_alone_and_gives_the_logits_of_the_whole(models: tuple[Any, Any, Any]) -> None:
    model, processor, plain = models
    encoder = ChatEncoder(processor)
    pad = processor.tokenizer.pad_token_id
    # Two samples of one group and one of another, with replies of several lengths and crops of several sizes.
    first, second = looked(112), looked(56)
    opened = [Turn(0, encoder.encode(first), images_of(first)), Turn(1, encoder.encode(second), images_of(second))]
    begun = read(model, [[opened[0]] * 3, [opened[1]]], pad_id=pad)
    samples = [(2, first, "Yes."), (0, first, "I am not sure of that at all."), (3, second, "No?")]
    going: list[Turn] = []
    for place, (row, asked, said) in enumerate(samples):
        crop = picture(28 * (place + 2))
        whole = Conversation("", "", [*asked.user_turns, UserTurn((crop,), "And now?")], [Reply(said)])
        ids, end = opened[row // 3].encoded.input_ids, int(begun.places[row])
        standing = Standing(begun.batch.park(row), ids, end, images_of(asked))
        going.append(Turn(place, encoder.encode(whole), images_of(whole), standing))
    with fed_to(model) as seen:
        writing = read(model, [going[:2], going[2:]], pad_id=pad)
    (fed,) = seen
    lengths = [len(turn.new.input_ids) for turn in going]
    assert min(lengths) < max(lengths) and fed.shape == (3, max(lengths))
    for row, turn in zip(fed, going, strict=True):
        assert row[-len(turn.new.input_ids) :].tolist() == turn.new.input_ids
    for turn, logits in zip(going, writing.logits, strict=True):
        with torch.no_grad():
            wanted = plain(**encoder.collate([turn.encoded])).logits[0, -1]
        torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-4)
