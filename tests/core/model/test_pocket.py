"""The pocket agent is the same for the same seed, a real Qwen2.5-VL, and starts as a bank of band energies."""

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from loupe.core.model.pocket import PocketSize, build_pocket, start_as_energy_bank
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


def test_it_is_a_qwen_of_one_to_five_million_parameters() -> None:
    model = build_pocket(TOKENIZER)
    assert type(model) is Qwen2_5_VLForConditionalGeneration
    assert 1_000_000 < sum(weight.numel() for weight in model.parameters()) < 5_000_000


def test_the_parameters_are_those_of_its_sizes() -> None:
    model = build_pocket(TOKENIZER)
    width, rows = 128, -(-len(TOKENIZER) // 64) * 64
    inner, vision_inner = model.config.text_config.intermediate_size, model.config.vision_config.intermediate_size
    # Two key and value heads for four query heads; query, key and value have a bias.
    layer = 3 * width * width + 2 * width + 3 * inner * width + 2 * width
    language = 4 * layer + width + 2 * rows * width
    block = 4 * width * width + 4 * width + 3 * vision_inner * width + 2 * vision_inner + width + 2 * width
    merger = width + 16 * width * width + 4 * width + 4 * width * width + width
    vision = 3 * 2 * 14 * 14 * width + 2 * block + merger
    assert sum(weight.numel() for weight in model.parameters()) == language + vision


def test_every_token_has_a_row_and_rows_come_in_blocks_of_64() -> None:
    rows = build_pocket(TOKENIZER).lm_head.weight.shape[0]
    assert rows % 64 == 0
    assert 0 <= rows - len(TOKENIZER) < 64


def test_sizes_are_those_that_were_asked_for() -> None:
    model = build_pocket(TOKENIZER, PocketSize(hidden=64, layers=2, vision_hidden=32, vision_depth=1))
    assert model.config.text_config.hidden_size == 64
    assert len(model.model.language_model.layers) == 2
    assert len(model.model.visual.blocks) == 1


def energy_bank() -> tuple[Qwen2_5_VLForConditionalGeneration, torch.Tensor]:
    model = build_pocket(TOKENIZER)
    patches = torch.randn(400, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(0))
    start_as_energy_bank(model, patches)
    return model, patches


def test_half_of_the_patch_outputs_are_bands_of_unit_variance_and_half_are_free() -> None:
    model, patches = energy_bank()
    response = model.model.visual.patch_embed(patches)
    torch.testing.assert_close(response[:, :64].std(dim=0), torch.ones(64), rtol=0, atol=1e-3)
    assert not response[:, 64:].any()


def test_bands_see_luma_and_two_colour_differences_in_both_frames_alike() -> None:
    weight = energy_bank()[0].model.visual.patch_embed.proj.weight.detach()[:64]
    grey = weight.sum(dim=1).flatten(1).norm(dim=1) > 1e-5
    assert grey.tolist() == [True] * 48 + [False] * 16
    assert torch.equal(weight[:, :, 0], weight[:, :, 1])
    # The first is the mean of the patch; two luma functions share nothing.
    torch.testing.assert_close(weight[0], weight[0, 0, 0, 0, 0].expand_as(weight[0]))
    luma = torch.nn.functional.normalize(weight[:48].flatten(1), dim=1)
    torch.testing.assert_close(luma @ luma.T, torch.eye(48), rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_first_gated_layer_squares_each_band_into_its_free_channel() -> None:
    mlp = energy_bank()[0].model.visual.blocks[0].mlp
    mlp.down_proj.weight[:, 128:] = 0
    bands = torch.randn(50, 64, generator=torch.Generator().manual_seed(1))
    squares = mlp(torch.cat([bands, torch.zeros(50, 64)], dim=1))
    torch.testing.assert_close(squares[:, 64:], 0.3 * bands**2, rtol=1e-5, atol=1e-6)
    assert not squares[:, :64].any()
