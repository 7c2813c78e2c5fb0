"""A batch in one row is the padded batch: the same losses and gradients, without a token of padding."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from trl.trainer.utils import add_fused_lm_head

from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.model.grouped_attention import use_grouped_attention
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.model.packed import set_attention
from loupe.sft.collator import ExampleCollator
from loupe.sft.examples import Example
from loupe.sft.one_row import LENGTHS, model_inputs, shared_beginning, takes_one_row
from loupe.sft.sources import RationaleSource, load_examples


def tiny_qwen3(tokenizer: Any) -> Any:
    """Two narrow layers, and a tower that hands its features to the first of them as well."""
    token = tokenizer.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_interleaved": True, "mrope_section": [4, 2, 2]}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "rope_parameters": rope,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 64,
        "num_position_embeddings": 36,
        "deepstack_visual_indexes": [0],
    }
    ids = {
        "image_token_id": token("<|image_pad|>"),
        "vision_start_token_id": token("<|vision_start|>"),
        "vision_end_token_id": token("<|vision_end|>"),
    }
    config = Qwen3VLConfig(text_config=text, vision_config=vision, **ids, tie_word_embeddings=False)
    torch.manual_seed(2)
    model = Qwen3VLForConditionalGeneration(config).train()
    use_grouped_attention(model)
    return model


@pytest.fixture(scope="module", params=["pocket", "qwen3"])
def model_and_encoder(
    request: pytest.FixtureRequest, blank_folder: Path, processors: dict[str, Any]
) -> tuple[Any, ChatEncoder]:
    if request.param == "pocket":
        model, processor = load_model(ModelConfig(path=str(blank_folder), device="cpu"), train=True)
    else:
        processor = processors["qwen3"]
        model = tiny_qwen3(processor.tokenizer)
    add_fused_lm_head(model, outputs=("log_probs", "is_top1"))
    return model, ChatEncoder(processor)


@pytest.fixture(scope="module", params=["append", "segments", "both"])
def examples(request: pytest.FixtureRequest, synthetic_folder: Path, looked_twice: Path) -> list[Example]:
    data = str(synthetic_folder)
    append = load_examples(RationaleSource(data=data, protocol="zoom-brief"), "append")[:6]
    segments = load_examples(RationaleSource(str(looked_twice), data=data, protocol="zoom-iqa"), "segments")[:6]
    return {"append": append, "segments": segments, "both": append[:3] + segments[:3]}[request.param]


def step(model: Any, batch: dict[str, Any]) -> tuple[Any, dict[str, torch.Tensor]]:
    model.zero_grad()
    inputs = {name: value for name, value in batch.items() if name not in ("rounds", "fields")}
    scored = model(**(model_inputs(model, inputs) if LENGTHS in inputs else inputs), fused_lm_head=True)
    scored.loss.backward()
    return scored, {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def test_losses_and_gradients_are_those_of_the_padded_batch(
    model_and_encoder: tuple[Any, ChatEncoder], examples: list[Example]
) -> None:
    model, encoder = model_and_encoder
    rows = [{"index": index} for index in range(len(examples))]
    padded, row = (ExampleCollator(examples, encoder, packed=packed)(rows) for packed in (False, True))
    assert row["input_ids"].shape[0] == 1
    assert row["input_ids"].numel() < int(padded["attention_mask"].sum()) < padded["input_ids"].numel()
    (before, grads), (after, packed_grads) = step(model, padded), step(model, row)
    assert after.loss.item() == pytest.approx(before.loss.item(), abs=1e-5)
    assert torch.allclose(after.log_probs[after.label_mask], before.log_probs[before.label_mask], atol=1e-5)
    for name, parts in (("rounds", before), ("fields", before)):
        assert torch.equal(row[name][:, 1:][after.label_mask], padded[name][:, 1:][parts.label_mask])
    assert grads.keys() == packed_grads.keys()
    for name, grad in grads.items():
        assert torch.allclose(packed_grads[name], grad, atol=1e-5 * grad.abs().max().item()), name
    # Had the examples seen each other, the numbers would be others.
    model.zero_grad()
    blurred = model_inputs(model, {name: row[name] for name in row if name not in ("rounds", "fields")})
    del blurred["segments"]
    blurred["attention_mask"] = torch.ones_like(row["input_ids"])
    seen = model(**blurred, fused_lm_head=True)
    assert not torch.allclose(seen.log_probs[after.label_mask], before.log_probs[before.label_mask], atol=1e-3)


def test_the_shared_beginning_ends_before_any_image_and_before_what_predicts_a_label() -> None:
    def encoded(ids: list[int], said: int) -> Encoded:
        return Encoded(ids, [place >= said for place in range(len(ids))], None, None)

    assert shared_beginning([encoded([1, 2, 9, 9, 4], 4), encoded([1, 2, 9, 9, 5], 4)], image_token_id=9) == 2
    assert shared_beginning([encoded([1, 2, 3, 4], 3), encoded([1, 2, 3, 5], 3)], image_token_id=9) == 2
    assert shared_beginning([encoded([1, 2, 3, 4], 3), encoded([1, 7, 3, 5], 3)], image_token_id=9) == 1
    assert shared_beginning([encoded([1, 2, 3], 2), encoded([2, 2, 3], 2)], image_token_id=9) == 0
    assert shared_beginning([encoded([1, 2], 0), encoded([1, 2], 0)], image_token_id=9) == 0


def test_examples_without_a_common_beginning_are_padded(
    model_and_encoder: tuple[Any, ChatEncoder], examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, encoder = model_and_encoder
    monkeypatch.setattr("loupe.sft.collator.shared_beginning", lambda *_, **__: 0)
    batch = ExampleCollator(examples, encoder, packed=True)([{"index": 0}, {"index": 1}])
    assert LENGTHS not in batch
    assert batch["input_ids"].shape[0] == 2


def test_only_attention_that_knows_groups_takes_a_row(model_and_encoder: tuple[Any, ChatEncoder]) -> None:
    model, _ = model_and_encoder
    assert takes_one_row(model)
    own = model.config.get_text_config()._attn_implementation
    try:
        set_attention(model, "eager")
        assert not takes_one_row(model)
    finally:
        set_attention(model, own)
