"""Attention by groups is attention under the mask that says who may see what, in values and in gradients."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from loupe.core.model.grouped_attention import (
    Segments,
    grouped,
    grouped_attention,
    use_grouped_attention,
)
from loupe.core.model.loading import ModelConfig, load_model, save_model
from loupe.core.model.packed import GROUPED, PAD, SHARED, attention_of, visible

CPU = torch.device("cpu")
HEADS, FEWER, WIDTH = 4, 2, 8
SDPA: Any = SimpleNamespace(
    config=SimpleNamespace(get_text_config=lambda: SimpleNamespace(_attn_implementation="sdpa"))
)
LAYERS: Any = SimpleNamespace(num_hidden_layers=2)
MODULE: Any = SimpleNamespace(num_key_value_groups=HEADS // FEWER, is_causal=True, layer_idx=0, config=LAYERS)
LAST: Any = SimpleNamespace(layer_idx=1, config=LAYERS)

Groups = list[tuple[int, list[int]]]
"""The length of each group's prompt, and of each of its continuations."""
GROUPS: st.SearchStrategy[Groups] = st.lists(
    st.tuples(st.integers(1, 6), st.lists(st.integers(1, 5), min_size=1, max_size=4)), min_size=1, max_size=3
)
RAGGED: Groups = [(5, [3, 1, 4]), (2, [2]), (4, [1, 5])]


def owners_of(groups: Groups) -> torch.Tensor:
    """(B, T): prompts padded in front, continuations behind them, padding at the end."""
    first, rest = max(prompt for prompt, _ in groups), max(sum(lengths) for _, lengths in groups)
    rows = [
        [PAD] * (first - prompt)
        + [SHARED] * prompt
        + [number for number, length in enumerate(lengths) for _ in range(length)]
        + [PAD] * (rest - sum(lengths))
        for prompt, lengths in groups
    ]
    return torch.tensor(rows)


def segments_of(groups: Groups) -> Segments:
    return Segments.of([prompt for prompt, _ in groups], [lengths for _, lengths in groups], device=CPU)


def tensors(owners: torch.Tensor, seed: int) -> list[torch.Tensor]:
    """Random query (B, heads, T, width), key and value (B, fewer heads, T, width)."""
    generator = torch.Generator().manual_seed(seed)
    rows, length = owners.shape
    shapes = [(rows, heads, length, WIDTH) for heads in (HEADS, FEWER, FEWER)]
    return [(2 * torch.randn(shape, generator=generator)).requires_grad_() for shape in shapes]


def by_groups(parts: Sequence[torch.Tensor], groups: Groups, module: Any = MODULE) -> torch.Tensor:
    query, key, value = parts
    return grouped_attention(module, query, key, value, None, segments=segments_of(groups), scaling=0.3)[0]


def dense(parts: Sequence[torch.Tensor], owners: torch.Tensor) -> torch.Tensor:
    """(B, T, heads, width), each query head with a copy of its keys and values."""
    query, key, value = parts
    mask = visible(owners, model=SDPA)
    copies = [part.repeat_interleave(HEADS // FEWER, dim=1) for part in (key, value)]
    return F.scaled_dot_product_attention(query, *copies, attn_mask=mask, scale=0.3).transpose(1, 2)


@settings(max_examples=60)
@given(GROUPS, st.integers(0, 10**6))
def test_outputs_and_gradients_are_those_of_the_dense_mask(groups: Groups, seed: int) -> None:
    owners = owners_of(groups)
    real = owners != PAD
    parts = tensors(owners, seed)
    ours, reference = by_groups(parts, groups), dense(parts, owners)
    torch.testing.assert_close(ours[real], reference[real], rtol=1e-5, atol=1e-5)
    weights = torch.randn(ours[real].shape, generator=torch.Generator().manual_seed(seed + 1))
    found = torch.autograd.grad((ours[real] * weights).sum(), parts)
    wanted = torch.autograd.grad((reference[real] * weights).sum(), parts)
    assert wanted[2].abs().max() > 1e-2
    for mine, its in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


@settings(max_examples=60)
@given(GROUPS, st.integers(0, 10**6))
def test_padding_is_a_number_and_teaches_nothing(groups: Groups, seed: int) -> None:
    owners = owners_of(groups)
    parts = tensors(owners, seed)
    outputs = by_groups(parts, groups)
    assert outputs.isfinite().all()
    outputs[owners != PAD].sum().backward()
    for part in parts:
        assert part.grad is not None
        assert part.grad.isfinite().all()
        assert not part.grad.transpose(1, 2)[owners == PAD].any()


@settings(max_examples=60)
@given(GROUPS, st.integers(0, 10**6), st.data())
def test_a_token_hangs_on_what_it_may_see_and_on_nothing_else(groups: Groups, seed: int, data: st.DataObject) -> None:
    owners = owners_of(groups)
    row = data.draw(st.integers(0, len(groups) - 1))
    column = data.draw(st.sampled_from((owners[row] != PAD).nonzero().flatten().tolist()))
    seen = visible(owners, model=SDPA)[row, 0, column]
    before = [part.detach() for part in tensors(owners, seed)]
    after = [part.detach() for part in tensors(owners, seed + 1)]
    same = torch.zeros(owners.shape, dtype=torch.bool)
    same[row] = seen
    mixed = [torch.where(same[:, None, :, None], old, new) for old, new in zip(before, after, strict=True)]
    one, other = (by_groups(parts, groups)[row, column] for parts in (before, mixed))
    torch.testing.assert_close(other, one, rtol=0, atol=1e-6)
    # And it does hang on each token that it may see: with equal scores each has an equal share.
    place = data.draw(st.sampled_from(seen.nonzero().flatten().tolist()))
    level = [torch.zeros_like(before[0]), *before[1:]]
    raised = [*level[:2], level[2].clone()]
    raised[2][row, :, place] += 10
    gain = (by_groups(raised, groups) - by_groups(level, groups))[row, column]
    torch.testing.assert_close(gain, torch.full_like(gain, 10 / int(seen.sum())), rtol=0, atol=1e-4)


def test_a_worked_example_of_where_continuations_stand() -> None:
    segments = segments_of([(3, [2, 1]), (2, [3])])
    assert segments.prompt == 3
    assert segments.columns.tolist() == [[[3, 4, 3], [5, 3, 3]], [[3, 4, 5], [3, 3, 3]]]
    # Continuation 1 begins at the flat place 1 · 3.
    assert segments.places.tolist() == [[0, 1, 3], [0, 1, 2]]
    assert segments.prompt_real is not None
    assert segments.prompt_real.long().tolist() == [[1, 1, 1], [0, 1, 1]]


def test_prompts_of_one_length_need_no_mask() -> None:
    assert segments_of([(3, [2]), (3, [1, 1])]).prompt_real is None


@given(GROUPS)
def test_places_are_the_inverse_of_columns(groups: Groups) -> None:
    segments, owners = segments_of(groups), owners_of(groups)
    for row, (_, lengths) in enumerate(groups):
        flat = segments.columns[row].flatten()
        columns = torch.arange(segments.prompt, segments.prompt + sum(lengths))
        assert torch.equal(flat[segments.places[row, : sum(lengths)]], columns)
        own = [segments.columns[row, number, :length] for number, length in enumerate(lengths)]
        assert torch.equal(torch.cat(own), columns)
        assert [owners[row, part].tolist() for part in own] == [
            [number] * length for number, length in enumerate(lengths)
        ]


def test_a_worked_example_of_two_continuations() -> None:
    # All keys are equal, so a token takes the mean of the values that it may see: 8 for the prompt, 2 and 4 for the
    # words of the first continuation, 0 for that of the second.
    owners = owners_of([(1, [2, 1])])
    query, key, _ = (torch.zeros_like(part) for part in tensors(owners, 0))
    value = torch.tensor([8.0, 2.0, 4.0, 0.0])[None, None, :, None].expand(1, FEWER, 4, WIDTH)
    mixed = by_groups([query, key, value], [(1, [2, 1])])
    assert mixed[0, :, 0, 0].tolist() == pytest.approx([8, (8 + 2) / 2, (8 + 2 + 4) / 3, (8 + 0) / 2], abs=1e-5)


def test_in_the_last_layer_a_prompt_has_no_outputs_and_all_else_is_as_it_was() -> None:
    parts = tensors(owners_of(RAGGED), 4)
    inner, last = by_groups(parts, RAGGED), by_groups(parts, RAGGED, LAST)
    prompt = max(length for length, _ in RAGGED)
    assert torch.equal(last[:, prompt:], inner[:, prompt:])
    assert not last[:, :prompt].any() and inner[:, :prompt].any()


@pytest.mark.parametrize("masked", [True, False])
def test_without_segments_it_is_the_library_s_sdpa(masked: bool) -> None:
    owners = owners_of(RAGGED)
    query, key, value = (part.detach() for part in tensors(owners, 4))
    mask = visible(owners, model=SDPA) if masked else None
    ours, none = grouped_attention(MODULE, query, key, value, mask, scaling=0.3)
    reference, _ = sdpa_attention_forward(MODULE, query, key, value, mask, scaling=0.3)
    assert none is None
    assert torch.equal(ours, reference)


def test_half_precision_is_as_near_as_it_can_be() -> None:
    owners = owners_of(RAGGED)
    parts = [part.detach().bfloat16() for part in tensors(owners, 5)]
    ours, reference = by_groups(parts, RAGGED), dense([part.float() for part in parts], owners)
    assert ours.dtype == torch.bfloat16
    real = owners != PAD
    # One part in 256 is what bfloat16 holds; values reach about 6.
    assert (ours.float() - reference)[real].abs().max() < 6 / 128


@pytest.mark.parametrize("family", ["pocket", "qwen3"])
def test_a_loaded_model_attends_by_groups_and_its_vision_tower_does_not(
    family: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(f"{family}_folder")
    model, _ = load_model(ModelConfig(path=str(folder)))
    assert attention_of(model) == GROUPED
    assert model.config.vision_config._attn_implementation == "sdpa"
    # The layers read the name that was set, and not one of their own.
    assert {layer.self_attn.config._attn_implementation for layer in model.model.language_model.layers} == {GROUPED}


def test_eager_attention_stays_as_it_was_asked_for(pocket_folder: Path) -> None:
    model, _ = load_model(ModelConfig(path=str(pocket_folder), attention="eager"))
    assert attention_of(model) == "eager"
    use_grouped_attention(model)
    assert attention_of(model) == "eager"


def test_a_saved_model_does_not_ask_others_for_our_attention(pocket_folder: Path, tmp_path: Path) -> None:
    save_model(*load_model(ModelConfig(path=str(pocket_folder))), tmp_path / "again")
    assert GROUPED not in (tmp_path / "again" / "config.json").read_text()


@pytest.mark.parametrize("own", ["flash_attention_2", "eager", "sdpa", GROUPED])
def test_other_attention_gives_way_for_as_long_as_a_model_writes(own: str) -> None:
    text = SimpleNamespace(_attn_implementation=own)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text))
    with pytest.raises(KeyError), grouped(model):
        assert attention_of(model) == GROUPED
        raise KeyError
    assert attention_of(model) == own
