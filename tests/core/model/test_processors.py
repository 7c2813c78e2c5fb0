"""What the pocket agent sees: at most 16 visual tokens, laid out as the architecture reads them, padded on the left."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loupe.core.model import processors
from loupe.core.model.processors import ImageOnlyQwen2_5VLProcessor, build_pocket_processor, load_processor

PROCESSOR = build_pocket_processor()
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])


def visual_tokens(width: int, height: int) -> int:
    grid = PROCESSOR.image_processor(images=[Image.new("RGB", (width, height))], return_tensors="pt")["image_grid_thw"]
    return int(grid.prod()) // 4


@settings(max_examples=40)
@given(short=st.integers(1, 400), ratio=st.floats(1, 16), upright=st.booleans())
def test_no_shape_up_to_sixteen_to_one_takes_more_than_sixteen_visual_tokens(
    short: int, ratio: float, upright: bool
) -> None:
    long = math.floor(short * ratio)
    assert 1 <= visual_tokens(*((short, long) if upright else (long, short))) <= 16


@settings(max_examples=20)
@given(short=st.integers(1, 10), ratio=st.integers(16, 200))
def test_a_longer_strip_takes_at_most_four_times_the_root_of_its_ratio(short: int, ratio: int) -> None:
    # One row of 28 pixels is the least height, so the width, 112 √ratio pixels, is what counts.
    assert visual_tokens(short * ratio, short) <= 4 * math.sqrt(ratio)


def test_a_square_of_any_size_from_112_pixels_is_four_by_four_visual_tokens() -> None:
    assert {visual_tokens(side, side) for side in (*range(112, 320), 384, 768, 1200)} == {16}


def test_the_smallest_image_is_one_visual_token() -> None:
    assert visual_tokens(1, 1) == 1


def test_patches_lie_as_merged_two_by_two_blocks_of_both_frames() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    made = PROCESSOR.image_processor(images=[Image.fromarray(pixels)], return_tensors="pt")
    plane = ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1)
    rows = []
    for block_row, block_column, row, column in np.ndindex(4, 4, 2, 2):
        top, left = 28 * block_row + 14 * row, 28 * block_column + 14 * column
        patch = plane[:, top : top + 14, left : left + 14]
        rows.append(np.stack([patch, patch], axis=1).ravel())
    assert made["image_grid_thw"].tolist() == [[1, 8, 8]]
    np.testing.assert_allclose(made["pixel_values"].numpy(), np.stack(rows), atol=1e-5)


def test_two_prompts_in_a_batch_are_padded_on_the_left() -> None:
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    images = [Image.new("RGB", (112, 112)), Image.new("RGB", (28, 28))]
    batch = PROCESSOR(text=[picture + "a", picture + "b"], images=images, padding=True, return_tensors="pt")
    assert batch["attention_mask"].sum(1).tolist() == [19, 4]
    assert batch["attention_mask"][1].tolist() == [0] * 15 + [1] * 4
    assert (batch["input_ids"] == PROCESSOR.tokenizer.convert_tokens_to_ids("<|image_pad|>")).sum(1).tolist() == [16, 1]


def test_a_prompt_is_written_in_the_layout_of_its_family() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Rate it."}]},
    ]
    assert PROCESSOR.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Rate it.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_saved_processor_comes_back_the_same(pocket_folder: Path) -> None:
    again = load_processor(pocket_folder, model_type="qwen2_5_vl")
    image = Image.radial_gradient("L").convert("RGB")
    text = '<|image_pad|><answer>{"distortion_class": "noise", "rating": 3.5}</answer>'
    one, two = (made(text=[text], images=[image], return_tensors="pt") for made in (PROCESSOR, again))
    assert again.chat_template == PROCESSOR.chat_template
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_an_image_only_processor_stays_one_where_torchvision_works(
    pocket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "_torchvision_works", lambda: True)
    assert type(load_processor(pocket_folder, model_type="qwen2_5_vl")) is ImageOnlyQwen2_5VLProcessor


def test_a_folder_in_the_hub_layout_loads_without_torchvision_and_pads_left(
    pocket_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "_torchvision_works", lambda: False)
    folder = tmp_path / "hub"
    shutil.copytree(pocket_folder, folder)
    images = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    images |= {"processor_class": "Qwen2_5_VLProcessor", "min_pixels": 784, "max_pixels": 12544}
    del images["size"]
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    words = json.loads((folder / "tokenizer_config.json").read_text())
    words |= {"processor_class": "Qwen2_5_VLProcessor", "padding_side": "right"}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    made = load_processor(folder, model_type="qwen2_5_vl")
    assert type(made) is ImageOnlyQwen2_5VLProcessor
    assert made.tokenizer.padding_side == "left"
    assert dict(made.image_processor.size) == {"shortest_edge": 784, "longest_edge": 12544}
