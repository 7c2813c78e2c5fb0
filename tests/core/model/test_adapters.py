"""NF4 and LoRA touch the language layers alone, train on a CPU, and come back from their folder as they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from loupe.core.errors import ModelError
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model, merge_adapter, save_model

Ask = Callable[[Any, Any], torch.Tensor]
LANGUAGE_LINEARS = 7


def settings(path: Path, *, quantise: str = "nf4", rank: int = 4, **lora: Any) -> ModelConfig:
    return ModelConfig(path=str(path), quantise=quantise, lora=LoraSettings(enabled=True, rank=rank, alpha=8, **lora))


def stirred(model: Any) -> Any:
    """The model with an adapter that changes its outputs: a new one has a matrix of zeros."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
    return model


@pytest.fixture(scope="module")
def adapter_folder(pocket_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter as it is left behind by training on the pocket model in NF4."""
    folder = tmp_path_factory.mktemp("runs") / "adapter"
    torch.manual_seed(0)
    model, processor = load_model(settings(pocket_folder), train=True)
    save_model(stirred(model), processor, folder)
    return folder


@pytest.mark.parametrize("family", ["pocket", "qwen3"])
def test_only_linear_layers_of_the_language_model_are_in_four_bits(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"{family}_folder")
    model, _ = load_model(ModelConfig(path=str(folder), quantise="nf4"))
    four_bits = [name for name, module in model.named_modules() if type(module).__name__ == "Linear4bit"]
    assert len(four_bits) == LANGUAGE_LINEARS * model.config.text_config.num_hidden_layers
    assert all(name.startswith("model.language_model.layers.") for name in four_bits)
    assert {weight.dtype for weight in model.model.visual.parameters()} == {torch.float32}
    assert model.lm_head.weight.dtype == torch.float32


def test_nf4_is_doubly_quantised_and_computes_in_the_dtype_that_was_asked_for(pocket_folder: Path) -> None:
    for dtype in ("float32", "bfloat16"):
        model, _ = load_model(ModelConfig(path=str(pocket_folder), quantise="nf4", dtype=dtype, device="cpu"))
        layer = model.model.language_model.layers[0].mlp.up_proj
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested
        assert layer.compute_dtype == getattr(torch, dtype)


@pytest.mark.parametrize("family", ["pocket", "qwen3"])
def test_an_adapter_touches_no_vision_layer_and_trains_alone(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(f"{family}_folder")
    model, _ = load_model(settings(folder, quantise="none"), train=True)
    adapted = {name.rsplit(".lora_A", 1)[0] for name, _ in model.named_modules() if name.endswith("lora_A")}
    assert len(adapted) == LANGUAGE_LINEARS * model.config.text_config.num_hidden_layers
    assert all(".language_model.layers." in name for name in adapted)
    assert all("lora_" in name for name, weight in model.named_parameters() if weight.requires_grad)


def test_a_new_adapter_changes_no_output(pocket_folder: Path, logits_of: Ask) -> None:
    plain = logits_of(*load_model(ModelConfig(path=str(pocket_folder), quantise="nf4")))
    assert torch.equal(logits_of(*load_model(settings(pocket_folder))), plain)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_of_training_on_nf4_lowers_the_loss_and_moves_the_adapter_alone(pocket_folder: Path, dtype: str) -> None:
    config = settings(pocket_folder)
    config.dtype = dtype
    torch.manual_seed(0)
    model, processor = load_model(config, train=True)
    batch = processor.tokenizer(["Blurred on the left."], return_tensors="pt")
    batch["labels"] = batch["input_ids"]
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimiser = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    losses = []
    for _ in range(4):
        loss = model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    moved = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {name for name in before if "lora_" in name}


def test_a_model_in_nf4_goes_on_training_after_it_has_judged(pocket_folder: Path, logits_of: Ask) -> None:
    model, processor = load_model(settings(pocket_folder), train=True)
    judged = logits_of(model, processor)
    batch = processor.tokenizer(["Blurred on the left."], return_tensors="pt")
    model.train()(**batch, labels=batch["input_ids"]).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    assert torch.equal(logits_of(model, processor), judged)


def test_a_saved_adapter_gives_the_same_logits_bit_for_bit(
    pocket_folder: Path, adapter_folder: Path, logits_of: Ask
) -> None:
    torch.manual_seed(0)
    model, processor = load_model(settings(pocket_folder))
    before = logits_of(model, processor)
    wanted = logits_of(stirred(model), processor)
    assert (wanted - before).abs().max() > 0.1
    assert torch.equal(logits_of(*load_model(ModelConfig(path=str(adapter_folder), quantise="nf4"))), wanted)


def test_an_adapter_folder_holds_the_adapter_its_processor_and_no_base(
    pocket_folder: Path, adapter_folder: Path
) -> None:
    names = {item.name for item in adapter_folder.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "processor_config.json", "tokenizer.json"} <= names
    assert not {"model.safetensors", "config.json", "README.md"} & names
    assert all("lora_" in name for name in load_file(adapter_folder / "adapter_model.safetensors"))
    named = json.loads((adapter_folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == str(pocket_folder)


def test_a_loaded_adapter_is_frozen_unless_it_shall_train(adapter_folder: Path) -> None:
    config = ModelConfig(path=str(adapter_folder), quantise="nf4")
    assert not any(weight.requires_grad for weight in load_model(config)[0].parameters())
    trained = {name for name, weight in load_model(config, train=True)[0].named_parameters() if weight.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_an_adapter_that_names_a_shipped_base_keeps_that_name(
    pocket_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loupe.core.model import checkpoints

    monkeypatch.setattr(checkpoints, "checkpoint_path", lambda name: pocket_folder)
    model, processor = load_model(ModelConfig(path="pocket-base", lora=LoraSettings(enabled=True, rank=2)))
    save_model(model, processor, tmp_path / "adapter")
    named = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert named["base_model_name_or_path"] == "pocket-base"


def test_a_reference_copy_beside_the_adapter_is_not_saved(pocket_folder: Path, tmp_path: Path) -> None:
    model, processor = load_model(settings(pocket_folder, quantise="none"), train=True)
    model.add_adapter("ref", model.peft_config["default"])
    save_model(model, processor, tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "ref").exists()
    assert len(load_file(tmp_path / "adapter" / "adapter_model.safetensors")) == 4 * LANGUAGE_LINEARS * 2


def test_a_merged_folder_is_a_plain_model_with_the_same_logits(
    adapter_folder: Path, tmp_path: Path, logits_of: Ask
) -> None:
    merge_adapter(adapter_folder, tmp_path / "merged")
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    merged = logits_of(*load_model(ModelConfig(path=str(tmp_path / "merged"))))
    beside = logits_of(*load_model(ModelConfig(path=str(adapter_folder))))
    torch.testing.assert_close(merged, beside, rtol=1e-4, atol=1e-3)
    assert not torch.equal(merged, logits_of(*load_model(ModelConfig(path=str(adapter_folder), quantise="nf4"))))


def test_merging_keeps_the_precision_of_the_base(pocket_folder: Path, tmp_path: Path) -> None:
    base, processor = load_model(ModelConfig(path=str(pocket_folder), dtype="bfloat16"))
    save_model(base, processor, tmp_path / "base")
    model, processor = load_model(settings(tmp_path / "base", quantise="none"))
    save_model(stirred(model), processor, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}


def test_merging_into_a_quantised_base_is_refused(pocket_folder: Path, adapter_folder: Path, tmp_path: Path) -> None:
    quantised, processor = load_model(ModelConfig(path=str(pocket_folder), quantise="nf4"))
    save_model(quantised, processor, tmp_path / "base")
    model, processor = load_model(ModelConfig(path=str(tmp_path / "base"), lora=LoraSettings(enabled=True, rank=2)))
    save_model(model, processor, tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"stored quantised.*write the unquantised base"):
        merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    with pytest.raises(ModelError, match="stored quantised already"):
        load_model(ModelConfig(path=str(tmp_path / "base"), quantise="nf4"))
    assert not (tmp_path / "merged").exists()


def test_merging_what_is_no_adapter_is_refused(pocket_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no adapter"):
        merge_adapter(pocket_folder, tmp_path / "merged")


def test_nf4_weights_without_an_adapter_cannot_train(pocket_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be trained; set lora\.enabled=true"):
        load_model(ModelConfig(path=str(pocket_folder), quantise="nf4"), train=True)


def test_a_second_adapter_on_top_is_refused(adapter_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is an adapter already; set lora\.enabled=false"):
        load_model(settings(adapter_folder))


def test_targets_that_match_nothing_are_refused(pocket_folder: Path) -> None:
    with pytest.raises(ModelError, match="cannot make a model of"):
        load_model(settings(pocket_folder, quantise="none", targets="nothing"))


def test_an_adapter_that_lacks_a_weight_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(adapter_folder)))
    save_model(model, processor, tmp_path / "adapter")
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    weights.pop(min(weights))
    save_file(weights, tmp_path / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="does not hold all weights"):
        load_model(ModelConfig(path=str(tmp_path / "adapter")))
