"""A cache layer that is written into holds what the library's own holds, whatever is appended and whoever leaves."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from loupe.core.model.growing_cache import GrowingLayer


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.integers(1, 90), min_size=1, max_size=6), leave=st.integers(0, 5), seed=st.integers(0, 99))
def test_it_holds_what_the_librarys_layer_holds(steps: list[int], leave: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, library = GrowingLayer(), DynamicLayer()
    rows = 3
    for place, length in enumerate(steps):
        keys, values = (torch.randn((rows, 2, length, 4), generator=generator) for _ in range(2))
        for mine, its in zip(ours.update(keys, values), library.update(keys, values), strict=True):
            assert torch.equal(mine, its)
        if place == leave:
            rows = 2
            for layer in (ours, library):
                layer.batch_select_indices(torch.tensor([2, 0]))
            assert torch.equal(ours.keys, library.keys) and torch.equal(ours.values, library.values)
    assert ours.get_seq_length() == sum(steps)


def test_a_token_is_written_into_the_room_that_is_there() -> None:
    layer = GrowingLayer()
    layer.update(torch.zeros((1, 1, 10, 4)), torch.zeros((1, 1, 10, 4)))
    before = layer.keys.data_ptr()
    for _ in range(64):
        layer.update(torch.ones((1, 1, 1, 4)), torch.ones((1, 1, 1, 4)))
    assert layer.keys.data_ptr() == before
    layer.update(torch.ones((1, 1, 1, 4)), torch.ones((1, 1, 1, 4)))
    assert layer.keys.data_ptr() != before
    assert layer.keys.sum() == 65 * 4


def test_another_batch_does_not_see_what_is_written_after_it_was_parted() -> None:
    layer = GrowingLayer()
    layer.update(torch.zeros((2, 1, 3, 4)), torch.zeros((2, 1, 3, 4)))
    parted = layer.keys[0, :, torch.arange(3)]
    layer.update(torch.ones((2, 1, 1, 4)), torch.ones((2, 1, 1, 4)))
    assert parted.sum() == 0 and parted.shape[1] == 3
