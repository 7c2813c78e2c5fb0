"""Tiny models with random weights, one a family, saved once a run; nothing is downloaded and no figure is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from loupe.core.model.loading import ModelConfig, load_model, save_model
from loupe.core.model.pocket import build_pocket
from loupe.core.model.processors import ImageOnlyQwen3VLProcessor, build_pocket_processor

QUESTION = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Rate it.<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pocket_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pocket model; tests read it and never write into it."""
    processor = build_pocket_processor()
    folder = tmp_path_factory.mktemp("models") / "pocket"
    save_model(build_pocket(processor.tokenizer, seed=5), processor, folder)
    return folder


@pytest.fixture(scope="session")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Qwen3-VL of two narrow layers, with the pocket tokenizer."""
    pocket = build_pocket_processor()
    images = Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, size={"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    )
    processor = ImageOnlyQwen3VLProcessor(images, pocket.tokenizer, chat_template=pocket.chat_template)
    torch.manual_seed(11)
    folder = tmp_path_factory.mktemp("models") / "qwen3"
    save_model(Qwen3VLForConditionalGeneration(_qwen3_config(pocket.tokenizer)), processor, folder)
    return folder


@pytest.fixture(scope="session")
def logits_of() -> Callable[[Any, Any], torch.Tensor]:
    """Logits (1, T, V) that a model gives for one fixed picture and question."""

    @torch.no_grad()
    def ask(model: Any, processor: Any) -> torch.Tensor:
        pixels = np.random.default_rng(2).integers(0, 256, (64, 90, 3), dtype=np.uint8)
        batch = processor(text=[QUESTION], images=[Image.fromarray(pixels)], return_tensors="pt")
        return model.eval()(**batch).logits

    return ask


def _qwen3_config(tokenizer: Any) -> Qwen3VLConfig:
    token = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_interleaved": True,
            "mrope_section": [4, 2, 2],
        },
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 64,
        "num_position_embeddings": 36,
        "deepstack_visual_indexes": [0],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=False,
    )


@pytest.fixture(scope="module", params=["pocket", "qwen3"])
def folder(request: pytest.FixtureRequest) -> Path:
    """A saved model of each family in turn."""
    return request.getfixturevalue(f"{request.param}_folder")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    """That model and its processor, as Loupe loads them."""
    return load_model(ModelConfig(path=str(folder)))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    """The library's own model, with the library's own attention."""
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")


@pytest.fixture(scope="module")
def models(loaded: tuple[Any, Any], plain: Any) -> tuple[Any, Any, Any]:
    """All three: the model, its processor, and the library's own model."""
    return *loaded, plain
