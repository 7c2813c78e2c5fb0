"""What a batch holds of a sample comes out as it went in, and a step through it is a step of each sample alone."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from loupe.core.model.encode import Encoded
from loupe.core.model.grouped_cache import Batch, Parked


def words(ids: Sequence[int]) -> Encoded:
    return Encoded(list(ids), [False] * len(ids), None, None)


def places(start: int, ids: Sequence[int]) -> torch.Tensor:
    return torch.arange(start, start + len(ids)).expand(3, -1)


class Talks:
    """A batch beside the words of each of its samples, against which every step is checked."""

    def __init__(self, models: tuple[Any, Any, Any]) -> None:
        self.model, processor, self.plain = models
        self.pad_id: int = processor.tokenizer.pad_token_id
        self.words: list[list[int]] = []

    def read(self, prompts: list[list[int]], samples: list[int]) -> None:
        parts, starts = [words(ids) for ids in prompts], [places(0, ids) for ids in prompts]
        self.batch, logits = Batch.reading(self.model, parts, starts, samples, pad_id=self.pad_id)
        self.words = [list(ids) for ids, count in zip(prompts, samples, strict=True) for _ in range(count)]
        self.check(logits)

    def take_up(self, parked: list[Parked], said: list[list[int]], new: list[list[int]]) -> None:
        self.batch, self.words = Batch.of_parked(self.model, parked, pad_id=self.pad_id), said
        starts = [places(len(ids), more) for ids, more in zip(said, new, strict=True)]
        self.words = [ids + more for ids, more in zip(said, new, strict=True)]
        self.check(self.batch.feed([words(ids) for ids in new], starts))

    def step(self, tokens: list[int]) -> None:
        at = torch.tensor([len(ids) for ids in self.words])
        self.words = [[*ids, token] for ids, token in zip(self.words, tokens, strict=True)]
        self.check(self.batch.step(torch.tensor(tokens), at))

    def keep(self, staying: list[int]) -> None:
        self.batch.keep(staying)
        self.words = [self.words[place] for place in staying]

    @torch.no_grad()
    def check(self, logits: torch.Tensor) -> None:
        assert len(logits) == len(self.words)
        for found, ids in zip(logits, self.words, strict=True):
            wanted = self.plain(input_ids=torch.tensor([ids])).logits[0, -1]
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


@torch.no_grad()
def test_logits_are_those_of_each_sample_alone_through_leaving_parking_and_coming_back(
    models: tuple[Any, Any, Any],
) -> None:
    ids = models[1].tokenizer("It is not sharp, and there is noise in the sky.").input_ids
    talks = Talks(models)
    talks.read([ids[:7], ids[2:5]], [2, 3])
    talks.step(ids[:5])
    talks.step(ids[3:8])
    # One leaves and its row is still there; then so many that the rows are cleared away.
    early = (talks.batch.park(1), talks.words[1])
    talks.keep([0, 2, 3, 4])
    talks.step(ids[2:6])
    assert len(talks.batch.recall.groups) == 5
    late = [(talks.batch.park(place), talks.words[place]) for place in range(4)]
    talks.keep([1, 3])
    talks.step(ids[4:6])
    assert len(talks.batch.recall.groups) == 2
    last = (talks.batch.park(0), talks.words[0])
    # They come back in another order, the second group first, having been told things of several lengths.
    back = [last, late[3], early, late[0]]
    told = [ids[6:9], ids[2:3], ids[8:10], ids[1:6]]
    again = Talks(models)
    again.take_up([parked for parked, _ in back], [said for _, said in back], told)
    again.step(ids[:4])
    again.keep([0, 3])
    again.step(ids[3:5])


@torch.no_grad()
def test_prompts_that_are_read_in_pieces_are_those_that_are_read_at_once(
    models: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = models[1].tokenizer("It is not sharp, and there is noise in the sky.").input_ids
    monkeypatch.setattr("loupe.core.model.grouped_cache._PIECE", 8)
    for prompts in ([ids[:4], ids[1:5], ids[2:6]], [ids[:9], ids[:3], ids[2:4], ids[1:6]]):
        talks = Talks(models)
        talks.read(prompts, [2] * len(prompts))
        talks.step(ids[: 2 * len(prompts)])


@torch.no_grad()
def test_a_sample_is_parked_without_padding_and_its_prompt_once(models: tuple[Any, Any, Any]) -> None:
    ids = models[1].tokenizer("It is not sharp, and there is noise in the sky.").input_ids
    talks = Talks(models)
    talks.read([ids[:7], ids[2:5]], [2, 1])
    talks.step(ids[:3])
    parked = [talks.batch.park(place) for place in range(3)]
    assert parked[0].prompt is parked[1].prompt
    layers = len(models[0].model.language_model.layers)
    assert [[key.shape[1] for key, _ in item.prompt.layers] for item in parked[1:]] == [[7] * layers, [3] * layers]
    assert {key.shape[1] for item in parked for key, _ in item.layers} == {1}
    # Whatever is parked holds no more than its own, or a batch would live as long as its last sample.
    for part in (part for item in parked for pair in (*item.layers, *item.prompt.layers) for part in pair):
        assert part.untyped_storage().nbytes() == part.nbytes
    key, value = parked[0].layers[0]
    assert parked[0].size == layers * (key.nbytes + value.nbytes)
    assert parked[2].prompt.size == 3 * parked[2].size
    # Taken up and parked again, it is what it was, and the prompt is the same one.
    again = Batch.of_parked(models[0], parked, pad_id=talks.pad_id)
    for place, old in enumerate(parked):
        new = again.park(place)
        assert new.prompt is old.prompt
        for mine, its in zip(new.layers, old.layers, strict=True):
            assert torch.equal(mine[0], its[0]) and torch.equal(mine[1], its[1])


@torch.no_grad()
def test_what_is_parked_does_not_change_when_the_batch_goes_on(models: tuple[Any, Any, Any]) -> None:
    ids = models[1].tokenizer("It is not sharp.").input_ids
    talks = Talks(models)
    talks.read([ids[:4]], [2])
    talks.step(ids[:2])
    parked = talks.batch.park(0)
    before = [key.clone() for key, _ in (*parked.layers, *parked.prompt.layers)]
    talks.step(ids[1:3])
    for old, (key, _) in zip(before, (*parked.layers, *parked.prompt.layers), strict=True):
        assert torch.equal(key, old)


@torch.no_grad()
def test_who_is_left_can_be_told_something_new(models: tuple[Any, Any, Any]) -> None:
    ids = models[1].tokenizer("It is not sharp, and there is noise in the sky.").input_ids
    talks = Talks(models)
    talks.read([ids[:4], ids[1:6]], [2, 2])
    talks.step(ids[:4])
    talks.keep([0, 2, 3])
    new = [ids[3:5], ids[2:6], ids[4:5]]
    starts = [places(len(said), more) for said, more in zip(talks.words, new, strict=True)]
    talks.words = [said + more for said, more in zip(talks.words, new, strict=True)]
    talks.check(talks.batch.feed([words(part) for part in new], starts))
