"""A group comes out of the cache as it went in, and a step through it is a step of each of its samples alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText

from loupe.core.model.grouped_cache import Batch, Group, Layout
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.model.packed import PAD, SHARED

CPU = torch.device("cpu")
STUB: Any = SimpleNamespace(device=CPU)


def group_of(*owners: int, first: int = 0) -> Group:
    """Two layers with two heads of width 3; each column holds its own number from `first`, and minus it in values."""
    columns = torch.arange(first, first + len(owners), dtype=torch.float32)
    keys = [columns[None, :, None].expand(2, -1, 3) + 1000 * layer for layer in range(2)]
    return Group(keys, [-key for key in keys], torch.tensor(owners))


def columns_of(group: Group) -> list[int]:
    """The numbers of a group's columns; layers, heads, keys and values must agree."""
    numbers = group.keys[0][0, :, 0]
    for layer, (keys, values) in enumerate(zip(group.keys, group.values, strict=True)):
        assert torch.equal(keys, (numbers + 1000 * layer)[None, :, None].expand(2, -1, 3))
        assert torch.equal(values, -keys)
    return [int(number) for number in numbers]


@pytest.fixture(scope="module", params=["pocket", "qwen3"])
def models(request: pytest.FixtureRequest) -> tuple[Any, Any, Any]:
    """A model, its processor, and the library's own model of the same folder."""
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    plain = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    return *load_model(ModelConfig(path=str(folder))), plain


def test_a_worked_example_of_where_new_tokens_stand() -> None:
    layout = Layout.of([(0, 0), (0, 3), (2, 1)], [2, 1, 4], device=CPU)
    assert layout.group.tolist() == [0, 0, 0, 2, 2, 2, 2]
    assert layout.column.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert layout.owner.tolist() == [0, 0, 3, 1, 1, 1, 1]
    assert layout.ends.tolist() == [1, 2, 6]
    assert layout.width == 4


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=4))
def test_no_two_new_tokens_stand_in_one_place_and_no_column_is_left_out(lengths: list[list[int]]) -> None:
    rows = [(group, owner) for group, parts in enumerate(lengths) for owner in range(len(parts))]
    layout = Layout.of(rows, [length for parts in lengths for length in parts], device=CPU)
    places = list(zip(layout.group.tolist(), layout.column.tolist(), strict=True))
    assert places == [(group, column) for group, parts in enumerate(lengths) for column in range(sum(parts))]
    assert layout.width == max(map(sum, lengths))
    ended = [(int(layout.group[end]), int(layout.owner[end])) for end in layout.ends]
    assert ended == rows


def test_a_group_of_some_samples_is_the_prompt_and_what_is_theirs() -> None:
    group = group_of(SHARED, SHARED, 0, 1, 2, 0, 2, 1)
    some = group.of([2, 0])
    assert some.owners.tolist() == [SHARED, SHARED, 0, 2, 0, 2]
    assert columns_of(some) == [0, 1, 2, 4, 5, 6]
    assert columns_of(group.of([])) == [0, 1]


def test_groups_of_several_lengths_are_padded_in_front() -> None:
    batch = Batch(STUB, [group_of(SHARED, 0), group_of(SHARED, 0, 1, 0, first=10)], pad_id=0)
    assert batch.owners.tolist() == [[PAD, PAD, SHARED, 0], [SHARED, 0, 1, 0]]
    layers: Any = batch.cache.layers
    assert layers[0].keys[:, 0, :, 0].tolist() == [[0, 0, 0, 1], [10, 11, 12, 13]]


def test_a_group_is_parked_as_it_came_and_whoever_stays_stays_as_it_was() -> None:
    groups = [group_of(SHARED, 0), group_of(SHARED, 0, 1, 0, first=10), group_of(SHARED, 4, 4, first=20)]
    batch = Batch(STUB, groups, pad_id=0)
    for number, group in enumerate(groups):
        parked = batch.park(number)
        assert parked.owners.tolist() == group.owners.tolist()
        assert columns_of(parked) == columns_of(group)
    batch.keep([0, 2])
    assert batch.owners.tolist() == [[PAD, PAD, SHARED, 0], [PAD, SHARED, 4, 4]]
    assert [columns_of(batch.park(number)) for number in range(2)] == [[0, 1], [20, 21, 22]]


def test_a_batch_that_begins_holds_nothing() -> None:
    assert Batch(STUB, [None, None], pad_id=0).owners.shape == (2, 0)


@torch.no_grad()
def test_logits_are_those_of_each_sample_alone_through_parking_and_coming_back(models: tuple[Any, Any, Any]) -> None:
    model, processor, plain = models
    words = processor.tokenizer("It is not sharp, and there is noise in the sky.").input_ids
    prompts = [words[:7], words[2:5]]

    def feed(batch: Batch, rows: list[tuple[int, int]], parts: list[list[int]], starts: list[int]) -> torch.Tensor:
        layout = Layout.of(rows, [len(part) for part in parts], device=CPU)
        ids = torch.tensor([token for part in parts for token in part])
        places = torch.cat([torch.arange(start, start + len(part)) for start, part in zip(starts, parts, strict=True)])
        return batch.feed(layout, ids, places.expand(3, -1))

    def check(logits: torch.Tensor, whole: list[list[int]]) -> None:
        for found, tokens in zip(logits, whole, strict=True):
            wanted = plain(input_ids=torch.tensor([tokens])).logits[0, -1]
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)

    batch = Batch(model, [None, None], pad_id=processor.tokenizer.pad_token_id)
    check(feed(batch, [(0, SHARED), (1, SHARED)], prompts, [0, 0]), prompts)
    rows = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    parts = [words[1:4], words[5:6], words[3:5], words[4:8], words[0:2]]
    check(feed(batch, rows, parts, [7, 7, 3, 3, 3]), [prompts[row[0]] + part for row, part in zip(rows, parts)])
    told = dict(zip(rows, parts, strict=True))
    # The second group comes back with two of its three samples, and the first behind it.
    back = Batch(model, [batch.park(1).of([0, 2]), batch.park(0)], pad_id=processor.tokenizer.pad_token_id)
    again = [(1, 0), (1, 2), (0, 1)]
    more = [words[6:9], words[2:3], words[8:10]]
    whole = [prompts[row[0]] + told[row] + part for row, part in zip(again, more, strict=True)]
    starts = [len(tokens) - len(part) for tokens, part in zip(whole, more, strict=True)]
    check(feed(back, [(0, 0), (0, 2), (1, 1)], more, starts), whole)
