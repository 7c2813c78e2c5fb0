"""What nobody reads may be left out: all that is read, and every gradient, is as it was."""

from pathlib import Path
from typing import Any

import pytest
import torch

from loupe.core.model.last_layer import is_last, silent_before
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model

IDS = torch.arange(40, 60).reshape(2, 10)


@pytest.fixture(params=["pocket", "qwen3"])
def model(request: pytest.FixtureRequest) -> Any:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return load_model(ModelConfig(path=str(folder)), train=True)[0].eval()


def gradients(model: Any, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
    weights = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(0))
    named = dict(model.model.language_model.named_parameters())
    return dict(zip(named, torch.autograd.grad((hidden * weights).sum(), list(named.values())), strict=True))


def test_what_is_read_and_every_gradient_is_as_it_was(model: Any) -> None:
    whole = model.model(input_ids=IDS).last_hidden_state[:, 6:]
    with silent_before(model, 6):
        quiet = model.model(input_ids=IDS).last_hidden_state
    torch.testing.assert_close(quiet[:, 6:], whole, rtol=0, atol=1e-5)
    assert not torch.allclose(quiet[:, :6], model.model(input_ids=IDS).last_hidden_state[:, :6], atol=1e-2)
    wanted = gradients(model, whole)
    for name, found in gradients(model, quiet[:, 6:]).items():
        # As a whole: which rounding single numbers get depends on the processor.
        assert (found - wanted[name]).norm() <= 1e-5 * wanted[name].norm(), name
    # And it is over when it is over.
    torch.testing.assert_close(model.model(input_ids=IDS).last_hidden_state[:, 6:], whole, rtol=0, atol=1e-5)


def test_the_feed_forward_part_sees_what_is_read_alone(model: Any) -> None:
    seen: list[list[int]] = []
    for layer in model.model.language_model.layers:
        layer.mlp.down_proj.register_forward_hook(lambda _, inputs, __: seen.append(list(inputs[0].shape[:2])))
    with silent_before(model, 9):
        model.model(input_ids=IDS)
    assert seen == [[2, 10]] * (len(seen) - 1) + [[2, 1]]


def test_layers_that_run_again_stay_as_they_are(pocket_folder: Path) -> None:
    settings = ModelConfig(path=str(pocket_folder), lora=LoraSettings(enabled=True, rank=2))
    model = load_model(settings, train=True)[0].train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    with silent_before(model, 6):
        hidden = model.get_base_model().model(input_ids=IDS).last_hidden_state
    hidden[:, 6:].sum().backward()
    assert any(part.grad is not None and part.grad.any() for part in model.parameters())


def test_the_last_attention_is_that_of_the_last_layer(model: Any) -> None:
    layers = model.model.language_model.layers
    assert [is_last(layer.self_attn) for layer in layers] == [False] * (len(layers) - 1) + [True]
