"""The faster vision tower is the stock one: outputs and gradients agree, and where it cannot help it steps aside."""

import pytest
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLVisionAttention

from loupe.core.model.fast_vision import BatchedVisionAttention, speed_up_vision
from loupe.core.model.pocket import build_pocket
from loupe.core.model.tokenizer import build_tokenizer

TOKENIZER = build_tokenizer()
FULL, WIDE, SMALL = [1, 8, 8], [1, 4, 12], [1, 2, 2]


def run(grid: list[list[int]], *, fast: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Features of random patches, and the gradient of a weighted sum of them for every weight."""
    model = build_pocket(TOKENIZER, seed=1)
    if fast:
        speed_up_vision(model)
    generator = torch.Generator().manual_seed(3)
    count = sum(frames * height * width for frames, height, width in grid)
    patches = torch.randn(count, 3 * 2 * 14 * 14, generator=generator)
    tower = model.model.visual
    features = tower(patches, grid_thw=torch.tensor(grid)).pooler_output
    weights = torch.randn(features.shape, generator=generator)
    (features * weights).mean().backward()
    return features.detach(), {
        name: weight.grad for name, weight in tower.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize(
    "grid",
    [[FULL], [FULL] * 3, [WIDE] * 2, [SMALL] * 5, [FULL, WIDE], [WIDE, SMALL, FULL]],
    ids=["one", "three equal", "two wide", "five small", "two unequal", "three unequal"],
)
def test_outputs_and_gradients_are_those_of_the_stock_tower(grid: list[list[int]]) -> None:
    stock, stock_gradients = run(grid, fast=False)
    fast, fast_gradients = run(grid, fast=True)
    assert stock.abs().mean() > 0.01
    torch.testing.assert_close(fast, stock, rtol=1e-5, atol=1e-5)
    assert fast_gradients.keys() == stock_gradients.keys()
    for name, gradient in stock_gradients.items():
        largest = gradient.abs().max()
        assert largest > 1e-5
        torch.testing.assert_close(fast_gradients[name] / largest, gradient / largest, rtol=0, atol=1e-5)


def test_weights_and_their_names_stay() -> None:
    model = build_pocket(TOKENIZER, seed=1)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    speed_up_vision(model)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(("attention", "replaced"), [("sdpa", True), ("eager", False)])
def test_only_the_attention_that_it_imitates_is_replaced(attention: str, replaced: bool) -> None:
    model = build_pocket(TOKENIZER, seed=1)
    model.set_attn_implementation(attention)
    speed_up_vision(model)
    found = [module for module in model.modules() if isinstance(module, Qwen2_5_VLVisionAttention)]
    assert len(found) == 2
    assert all((type(module) is BatchedVisionAttention) is replaced for module in found)
