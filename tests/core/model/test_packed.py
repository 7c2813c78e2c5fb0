"""Several continuations of one prompt in one sequence are the samples one by one: who sees whom, and from where."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.grouped_attention import Segments
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.packed import GROUPED, PAD, SHARED, base_of, positions_of, set_attention, takes_packed, visible
from loupe.core.policy import Conversation, Reply, UserTurn

ROW = [SHARED, SHARED, 0, 1, 0, PAD]
SEEN = [
    [1, 0, 0, 0, 0, 0],
    [1, 1, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
    [1, 1, 0, 1, 0, 0],
    [1, 1, 1, 0, 1, 0],
    # Padding sees the prompt, as everybody does.
    [1, 1, 0, 0, 0, 1],
]


def stub(attention: str) -> Any:
    text = SimpleNamespace(_attn_implementation=attention)
    return SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text), dtype=torch.float32)


def talk(*replies: str, sides: Sequence[int] = (112,)) -> Conversation:
    """A reply behind each look, of the sides given."""
    turns = [
        UserTurn((Image.fromarray(np.random.default_rng(side).integers(0, 256, (84, side, 3), dtype=np.uint8)),), "So?")
        for side in sides
    ]
    return Conversation("a", "", turns, [Reply(text) for text in replies])


def test_a_token_sees_what_came_before_it_and_is_shared_or_its_own() -> None:
    mask = visible(torch.tensor([ROW]), model=stub("sdpa"))
    assert mask.dtype == torch.bool
    assert mask.long().tolist() == [[SEEN]]


def test_each_row_has_a_mask_of_its_own() -> None:
    mask = visible(torch.tensor([ROW, ROW[::-1]]), model=stub(GROUPED))
    assert mask[0, 0].long().tolist() == SEEN
    # Behind padding, 0, 1 and 0 stand the two shared ones, who see each other and no one else.
    assert mask[1, 0, 4:].long().tolist() == [[0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1]]


def test_eager_attention_adds_the_same_mask_to_its_scores() -> None:
    mask = visible(torch.tensor([ROW]), model=stub("eager"))
    lowest = torch.finfo(torch.float32).min
    assert mask.tolist() == [[[[0.0 if seen else lowest for seen in row] for row in SEEN]]]


def test_every_token_sees_something() -> None:
    owners = torch.tensor([[PAD, PAD, SHARED, 0, 1, PAD], [PAD] * 6])
    assert visible(owners, model=stub("sdpa")).any(-1).all()


@pytest.mark.parametrize(
    ("attention", "takes"), [("sdpa", True), ("eager", True), (GROUPED, True), ("flash_attention_2", False)]
)
def test_attention_with_a_mask_of_four_dimensions_takes_packed_rows(attention: str, takes: bool) -> None:
    model = stub("sdpa")
    set_attention(model, attention)
    assert takes_packed(model) is takes


def test_an_adapter_s_model_is_found_with_its_adapter_on(pocket_folder: Path) -> None:
    model, _ = load_model(ModelConfig(path=str(pocket_folder), lora=LoraSettings(enabled=True, rank=2)))
    base = base_of(model)
    assert base is not model
    assert base_of(base) is base
    assert any("lora_A" in name for name, _ in base.named_parameters())
    assert takes_packed(model)


def test_positions_begin_at_nought_and_an_image_takes_as_many_as_its_longer_side(loaded: tuple[Any, Any]) -> None:
    model = loaded[0]
    image = model.config.image_token_id
    # Two words, three by two places of an image, two words; and a row without an image, with padding at its end.
    ids = torch.tensor([[5, 6, *[image] * 6, 7, 8], [5, 6, 7, *[0] * 7]])
    attention = torch.tensor([[1] * 10, [1] * 3 + [0] * 7])
    positions = positions_of(model, ids, torch.tensor([[1, 6, 4]]), attention)
    assert positions[:, 0].tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
        [0, 1, 2, 2, 3, 3, 4, 4, 5, 6],
        [0, 1, 2, 3, 2, 3, 2, 3, 5, 6],
    ]
    assert positions[:, 1, :3].tolist() == [[0, 1, 2]] * 3


def test_positions_of_a_row_do_not_hang_on_the_others(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    encoder = ChatEncoder(processor)
    rows = [encoder.encode(talk("Yes.", "No.", sides=sides)) for sides in ((112, 56), (56, 28), (84, 112))]
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.tensor([row.input_ids + [0] * (longest - len(row.input_ids)) for row in rows])
    attention = torch.tensor([[int(place < len(row.input_ids)) for place in range(longest)] for row in rows])
    grids = [row.grid_thw for row in rows if row.grid_thw is not None]
    together = positions_of(model, ids, torch.cat(grids), attention)
    for number, (row, grid) in enumerate(zip(rows, grids, strict=True)):
        own = torch.tensor([row.input_ids])
        alone = positions_of(model, own, grid, torch.ones_like(own))
        assert torch.equal(together[:, number, : own.shape[1]], alone[:, 0])


@pytest.mark.parametrize("way", [GROUPED, "sdpa", "eager", "segments"])
def test_a_packed_row_has_the_logits_of_its_samples_one_by_one(folder: Path, way: str) -> None:
    attention = "eager" if way == "eager" else "sdpa"
    model, processor = load_model(ModelConfig(path=str(folder), attention=attention))
    if way == "sdpa":
        set_attention(model, "sdpa")
    encoder = ChatEncoder(processor)
    samples = [encoder.encode(talk(text)) for text in ("Yes.", "It is blurred, I think.", "No")]
    cut = encoder.encode(talk()).input_ids
    ends = [sample.input_ids[len(cut) :] for sample in samples]
    ids = torch.tensor([[*cut, *(token for end in ends for token in end)]])
    owners = torch.tensor(
        [[SHARED] * len(cut) + [number for number, end in enumerate(ends) for _ in end]], dtype=torch.long
    )
    grid, pixels = samples[0].grid_thw, samples[0].pixel_values
    whole = [torch.tensor([sample.input_ids]) for sample in samples]
    made = [positions_of(model, row, grid, torch.ones_like(row)) for row in whole]
    positions = torch.cat([made[0][:, :, : len(cut)], *(part[:, :, len(cut) :] for part in made)], dim=2)
    segments = Segments.of([len(cut)], [[len(end) for end in ends]], device=ids.device)
    with torch.no_grad():
        packed = model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=visible(owners, model=model),
            pixel_values=pixels,
            image_grid_thw=grid,
            mm_token_type_ids=(ids == encoder.image_token_id).long(),
            **({"segments": segments} if way == "segments" else {}),
        ).logits[0]
        plain = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
        for number, sample in enumerate(samples):
            alone = plain(**encoder.collate([sample])).logits[0]
            if way != "segments":  # which have no outputs of a prompt
                torch.testing.assert_close(packed[: len(cut)], alone[: len(cut)], rtol=0, atol=1e-4)
            torch.testing.assert_close(packed[owners[0] == number], alone[len(cut) :], rtol=0, atol=1e-4)
