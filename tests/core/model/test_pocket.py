"""The pocket agent is the same for the same seed, a real Qwen2.5-VL, and starts with a cosine basis as its first layer."""

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from loupe.core.model.pocket import PocketSize, build_pocket, start_patches_as_dct
from loupe.core.model.tokenizer import build_tokenizer

TOKENIZER = build_tokenizer()


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before() -> None:
    torch.manual_seed(99)
    one = build_pocket(TOKENIZER, seed=4).state_dict()
    torch.rand(7)
    two = build_pocket(TOKENIZER, seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_seed_gives_other_weights() -> None:
    one, two = (build_pocket(TOKENIZER, seed=seed).lm_head.weight for seed in (4, 5))
    assert not torch.equal(one, two)


def test_it_is_a_qwen_of_a_few_million_parameters() -> None:
    model = build_pocket(TOKENIZER)
    assert type(model) is Qwen2_5_VLForConditionalGeneration
    width, rows = 128, -(-len(TOKENIZER) // 64) * 64
    attention = 2 * (width * width) + 2 * (width * width // 2) + width + 2 * (width // 2)
    language = 4 * (attention + 3 * width * 3 * width + 2 * width) + width + 2 * rows * width
    block = 4 * width * width + 4 * width + 3 * width * 3 * width + 7 * width + 2 * width
    merger = width + (4 * width) * (4 * width) + 4 * width + 4 * width * width + width
    vision = 3 * 2 * 14 * 14 * width + 2 * block + merger
    assert sum(weight.numel() for weight in model.parameters()) == language + vision
    assert 1_500_000 < language + vision < 5_000_000


def test_every_token_has_a_row_and_rows_come_in_blocks_of_64() -> None:
    rows = build_pocket(TOKENIZER).lm_head.weight.shape[0]
    assert rows % 64 == 0
    assert 0 <= rows - len(TOKENIZER) < 64


def test_sizes_are_those_that_were_asked_for() -> None:
    model = build_pocket(TOKENIZER, PocketSize(hidden=64, layers=2, vision_hidden=32, vision_depth=1))
    assert model.config.text_config.hidden_size == 64
    assert len(model.model.language_model.layers) == 2
    assert len(model.model.visual.blocks) == 1


def test_each_output_of_the_cosine_patch_layer_has_unit_variance() -> None:
    model = build_pocket(TOKENIZER)
    patches = torch.randn(400, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0))
    start_patches_as_dct(model, patches)
    response = patches @ model.model.visual.patch_embed.proj.weight.flatten(1).T
    torch.testing.assert_close(response.std(dim=0), torch.ones(128), rtol=0, atol=1e-3)


def test_the_cosine_patch_layer_sees_luma_and_two_colour_differences() -> None:
    model = build_pocket(TOKENIZER)
    start_patches_as_dct(model, torch.randn(400, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0)))
    weight = model.model.visual.patch_embed.proj.weight.detach()
    grey = weight.sum(dim=1).flatten(1).norm(dim=1) > 1e-5
    assert grey.tolist() == [True] * 96 + [False] * 32
    assert torch.equal(weight[:, :, 0], weight[:, :, 1])
    # The first is the mean of the patch; two different luma functions share nothing.
    torch.testing.assert_close(weight[0], weight[0, 0, 0, 0, 0].expand_as(weight[0]))
    luma = torch.nn.functional.normalize(weight[:96].flatten(1), dim=1)
    torch.testing.assert_close(luma @ luma.T, torch.eye(96), rtol=0, atol=1e-5)
