"""A prompt once a group and words once a sample: the same numbers as with everything once a sample."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from loupe.core.model.recall import Reading, Recall, attention, causal_mask

HEADS, FEWER, WIDTH, SCALING = 4, 2, 8, 0.3


def layer(number: int, *, of: int = 2) -> Any:
    """An attention module, as far as it is looked at."""
    return SimpleNamespace(layer_idx=number, scaling=SCALING, config=SimpleNamespace(num_hidden_layers=of))


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def alone(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """(heads, n, width): causal attention of one sequence's last n tokens, each head with its own copy of the keys."""
    copies = [part.repeat_interleave(HEADS // FEWER, dim=0) for part in (key, value)]
    total, new = key.shape[1], query.shape[1]
    mask = torch.ones((total, total), dtype=torch.bool).tril()[total - new :]
    return F.scaled_dot_product_attention(query, *copies, attn_mask=mask, scale=SCALING)


@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 4], [33, 33, 33], [150, 31, 90], [1, 1, 1]])
def test_a_prompt_is_read_as_it_would_be_alone(lengths: list[int]) -> None:
    longest = max(lengths)
    real = torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]
    reading = Reading(None if real.all() else real)
    query = drawn(0, 3, HEADS, longest, WIDTH)
    key, value = drawn(1, 3, FEWER, longest, WIDTH), drawn(2, 3, FEWER, longest, WIDTH)
    first, last = (reading.attend(layer(number), query, key, value) for number in range(2))
    assert first.isfinite().all() and last.isfinite().all()
    for row, length in enumerate(lengths):
        wanted = alone(query[row, :, -length:], key[row, :, -length:], value[row, :, -length:])
        torch.testing.assert_close(first[row, :, -length:], wanted, rtol=0, atol=1e-5)
        # In the last layer only the last token goes on.
        torch.testing.assert_close(last[row, :, -1:], wanted[:, -1:], rtol=0, atol=1e-5)
    assert not last[:, :, :-1].any()
    assert len(reading.layers) == 2 and reading.layers[1][0] is key


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[tuple[int, list[int]]], list[list[int]]]:
    """The length of each group's prompt and of what each of its samples owns; then the lengths of each feed by row."""
    owned = st.one_of(st.just(0), st.integers(0, 4))
    groups = draw(
        st.lists(
            st.tuples(st.integers(1, 5), st.lists(owned, min_size=1, max_size=4)),
            min_size=1,
            max_size=3,
        )
    )
    rows = sum(len(own) for _, own in groups)
    one = st.just([1] * rows)
    feeds = st.lists(st.one_of(one, st.lists(st.integers(1, 3), min_size=rows, max_size=rows)), min_size=1, max_size=4)
    return groups, draw(feeds)


def padded(sequences: list[torch.Tensor]) -> torch.Tensor:
    """(rows, heads, T, width) with zeros in front."""
    longest = max(part.shape[1] for part in sequences)
    return torch.stack([F.pad(part, (0, 0, longest - part.shape[1], 0)) for part in sequences])


def marks(lengths: list[int]) -> torch.Tensor | None:
    longest = max(lengths)
    real = torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]
    return None if real.all() else real


@settings(max_examples=80, deadline=None)
@given(plans(), st.integers(0, 10**6), st.data())
def test_each_sample_sees_its_prompt_and_itself(
    plan: tuple[list[tuple[int, list[int]]], list[list[int]]], seed: int, data: st.DataObject
) -> None:
    groups, feeds = plan
    numbers = iter(range(seed, seed + 10**6))

    def pair(length: int) -> tuple[torch.Tensor, torch.Tensor]:
        return drawn(next(numbers), FEWER, length, WIDTH), drawn(next(numbers), FEWER, length, WIDTH)

    prompts = [pair(length) for length, _ in groups]
    group_of = [number for number, (_, own) in enumerate(groups) for _ in own]
    own = [pair(length) for _, lengths in groups for length in lengths]
    recall = Recall(
        [tuple(padded([item[part] for item in prompts]) for part in range(2))],  # type: ignore[list-item]
        marks([length for length, _ in groups]),
        [tuple(padded([item[part] for item in own]) for part in range(2))],  # type: ignore[list-item]
        marks([item[0].shape[1] for item in own]),
        group_of,
    )
    for number, lengths in enumerate(feeds):
        lengths = [lengths[row] for row in range(len(own))]
        queries = [drawn(next(numbers), HEADS, length, WIDTH) for length in lengths]
        new = [pair(length) for length in lengths]
        recall.expect(max(lengths), marks(lengths))
        found = recall.attend(
            layer(0, of=1), padded(queries), *(padded([item[part] for item in new]) for part in range(2))
        )
        assert found.isfinite().all()
        own = [
            tuple(torch.cat([old[part], more[part]], dim=1) for part in range(2))
            for old, more in zip(own, new, strict=True)
        ]
        for row, query in enumerate(queries):
            whole = [torch.cat([prompts[group_of[row]][part], own[row][part]], dim=1) for part in range(2)]
            torch.testing.assert_close(found[row, :, -lengths[row] :], alone(query, *whole), rtol=0, atol=1e-4)
            columns = recall.own_columns(row)
            assert torch.equal(recall.own[0][0].filled[row][:, columns], own[row][0])
        if number == 0 and len(own) > 1:
            stay = sorted(data.draw(st.sets(st.integers(0, len(own) - 1), min_size=1)))
            kept = recall.keep(torch.tensor(stay)).tolist()
            assert kept == sorted({group_of[row] for row in stay})
            prompts = [prompts[group] for group in kept]
            group_of = [kept.index(group_of[row]) for row in stay]
            own = [own[row] for row in stay]
            feeds[1:] = [[lengths[row] for row in stay] for lengths in feeds[1:]]


def test_a_worked_example_of_two_samples() -> None:
    # All keys are equal, so a token takes the mean of what it may see: the prompt's 8, then its own words.
    value = torch.tensor([8.0])[None, None, :, None].expand(1, FEWER, 1, WIDTH)
    nothing = torch.zeros((2, FEWER, 0, WIDTH))
    recall = Recall([(torch.zeros_like(value), value)], None, [(nothing, nothing)], None, [0, 0])
    said = torch.tensor([2.0, 4.0])[:, None, None, None].expand(2, FEWER, 1, WIDTH)
    key, query = torch.zeros_like(said), torch.zeros((2, HEADS, 1, WIDTH))
    recall.expect(1, None)
    first = recall.attend(layer(0), query, key, said)
    assert first[:, 0, 0, 0].tolist() == pytest.approx([(8 + 2) / 2, (8 + 4) / 2], abs=1e-5)
    recall.expect(1, None)
    second = recall.attend(layer(0), query, key, torch.zeros_like(said))
    assert second[:, 0, 0, 0].tolist() == pytest.approx([(8 + 2 + 0) / 3, (8 + 4 + 0) / 3], abs=1e-5)


@pytest.mark.parametrize("sharpness", [1.0, 8.0])
def test_half_precision_is_as_near_as_the_librarys(sharpness: float) -> None:
    # Scores of up to 8 and up to 64: in bfloat16 such a one would be off by a quarter.
    half = torch.bfloat16
    prompt, own, new = (
        [drawn(10 * place + part, 1, FEWER, length, WIDTH).to(half) for part in range(2)]
        for place, length in enumerate((400, 60, 1))
    )
    query = (sharpness * drawn(99, 1, HEADS, 1, WIDTH)).to(half)
    whole = [torch.cat([prompt[part], own[part], new[part]], dim=2)[0] for part in range(2)]
    recall = Recall([(prompt[0], prompt[1])], None, [(own[0], own[1])], None, [0])
    recall.expect(1, None)
    found = recall.attend(layer(0), query, *new)
    assert found.dtype == half
    exact = alone(query[0].float(), *(part.float() for part in whole))
    library = alone(query[0], *whole)
    assert exact.std() > 0.1
    assert (found[0].float() - exact).norm() <= 1.1 * (library.float() - exact).norm()


def test_padding_sees_padding_and_nobody_else_does() -> None:
    mask = causal_mask(torch.tensor([[False, False, True, True]]))
    assert mask[0, 0].long().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


def test_attention_without_a_mask_is_causal() -> None:
    query, key, value = drawn(0, 1, HEADS, 5, WIDTH), drawn(1, 1, FEWER, 5, WIDTH), drawn(2, 1, FEWER, 5, WIDTH)
    wanted = alone(query[0], key[0], value[0])
    torch.testing.assert_close(attention(query, key, value, None, scaling=SCALING)[0], wanted, rtol=0, atol=1e-5)
