"""A tensor that is written into holds what joining would hold, whatever is appended and whoever leaves."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.model.growing_cache import Growing


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.integers(1, 90), min_size=1, max_size=6), leave=st.integers(0, 5), seed=st.integers(0, 99))
def test_it_holds_what_joining_holds(steps: list[int], leave: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = 3
    joined = torch.randn((rows, 2, seed % 5, 4), generator=generator)
    ours = Growing(joined)
    for place, length in enumerate(steps):
        new = torch.randn((rows, 2, length, 4), generator=generator)
        joined = torch.cat([joined, new], dim=2)
        assert torch.equal(ours.append(new), joined)
        if place == leave:
            rows = 2
            ours.keep(torch.tensor([2, 0]))
            joined = joined[[2, 0]]
            assert torch.equal(ours.filled, joined)


def test_a_token_is_written_into_the_room_that_is_there() -> None:
    held = Growing(torch.zeros((1, 1, 0, 4)))
    before = held.append(torch.zeros((1, 1, 10, 4))).data_ptr()
    for _ in range(64):
        held.append(torch.ones((1, 1, 1, 4)))
    assert held.filled.data_ptr() == before
    assert held.append(torch.ones((1, 1, 1, 4))).data_ptr() != before
    assert held.filled.sum() == 65 * 4


def test_what_it_began_with_is_not_written_into() -> None:
    first = torch.zeros((2, 1, 3, 4))
    held = Growing(first)
    held.append(torch.ones((2, 1, 2, 4)))
    assert first.shape == (2, 1, 3, 4) and not first.any()
