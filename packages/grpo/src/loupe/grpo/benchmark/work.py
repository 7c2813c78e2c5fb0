"""The work that trainers are timed on: the same weights, images, prompts and lengths for each of them.

Weights are random, so no answer ends by itself: every completion has exactly `tokens` tokens. With zoom every episode
shows one crop after its first completion and has a second one of the same length.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import save_model
from loupe.core.model.pocket import PocketSize, build_pocket
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Conversation, UserTurn
from loupe.core.protocol import Protocol
from loupe.zoom.crop import crop

CROP_QUESTION = "The crop. Give the verdict."
_FILLER = " image"
"""A word of one token, of which a question has as many as its prompt needs."""


@dataclass(frozen=True)
class BenchWork:
    """What one step is made of, and how many are timed."""

    images: int = 8
    samples: int = 8
    tokens: int = 64
    """Tokens of a completion, exactly."""
    prompt: int = 400
    """Tokens of a prompt, image and chat layout included."""
    zoom: bool = False
    size: str = "pocket"
    """Shape of the model: pocket, tiny, 3b or 7b."""
    width: int = 112
    height: int = 112
    quantise: str = "none"
    lora: int = 0
    """Rank of a LoRA adapter; 0 trains all weights."""
    checkpointing: bool = False
    beta: float = 0.04
    """Weight of the KL to the reference; with 0 there is no reference."""
    warmup: int = 2
    steps: int = 5
    device: str = "cpu"
    seed: int = 0

    @property
    def rows(self) -> int:
        """Completions of a step."""
        return self.images * self.samples


@dataclass(frozen=True)
class Shape:
    """Sizes of a Qwen2.5-VL."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    vision_hidden: int = 1280
    vision_depth: int = 32
    vision_intermediate: int = 3420
    tied: bool = False


SHAPES = {
    "tiny": Shape(64, 2, 4, 2, 128, 1024, vision_hidden=64, vision_depth=2, vision_intermediate=128),
    "3b": Shape(2048, 36, 16, 2, 11008, 151_936, tied=True),
    "7b": Shape(3584, 28, 28, 4, 18944, 152_064),
}


def make_model(work: BenchWork, folder: Path) -> Path:
    """A model with random weights and its processor, written to `folder`; nothing is downloaded."""
    processor: Any = build_pocket_processor()
    pixels = work.width * work.height + 1
    processor.image_processor.size = type(processor.image_processor.size)(shortest_edge=784, longest_edge=pixels)
    if work.size == "pocket":
        model: Any = build_pocket(processor.tokenizer, PocketSize(vision_depth=4), seed=work.seed)
    else:
        model = _shaped(SHAPES[work.size], processor.tokenizer, work=work)
    save_model(model, processor, folder)
    return folder


def make_images(work: BenchWork) -> list[Image.Image]:
    """Pictures of many scales, all different."""
    rng = np.random.default_rng(work.seed)
    made: list[Image.Image] = []
    for _ in range(work.images):
        coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)).resize((work.width, work.height))
        noise = rng.integers(-30, 31, (work.height, work.width, 3))
        made.append(Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)))
    return made


def make_protocol(work: BenchWork, processor: Any) -> Protocol:
    """A question that makes prompts of exactly `work.prompt` tokens."""
    encoder, image = ChatEncoder(processor), make_images(work)[0]

    def length(words: int) -> int:
        question = "Judge" + _FILLER * words
        return len(encoder.encode(Conversation("", "", [UserTurn((image,), question)])).input_ids)

    words = work.prompt - length(0)
    if words < 0 or length(words) != work.prompt:
        raise ValueError(f"got prompt={work.prompt}; wanted {length(0)} tokens or more")
    return Protocol(
        name="benchmark",
        question="Judge" + _FILLER * words,
        crop_question=CROP_QUESTION,
        final_question=CROP_QUESTION,
        no_zoom_question="Judge",
        max_rounds=2 if work.zoom else 1,
        max_new_tokens=work.tokens,
    )


def crop_box(number: int) -> tuple[float, float, float, float]:
    """The region that rollout `number` is shown: half the image each way, and another one for its neighbours."""
    left, top = (number % 3) * 0.25, (number // 3 % 3) * 0.25
    return (left, top, left + 0.5, top + 0.5)


def crop_of(image: Image.Image, number: int) -> Image.Image:
    """That region in native pixels."""
    return crop(image, crop_box(number))[0]


def _shaped(shape: Shape, tokenizer: Any, *, work: BenchWork) -> Any:
    torch.manual_seed(work.seed)
    token = tokenizer.convert_tokens_to_ids
    rotary = shape.hidden // shape.heads // 2
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.intermediate,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "max_position_embeddings": 32_768,
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            "tie_word_embeddings": shape.tied,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [rotary - 2 * (rotary * 3 // 8), rotary * 3 // 8, rotary * 3 // 8],
            },
        },
        vision_config={
            "depth": shape.vision_depth,
            "hidden_size": shape.vision_hidden,
            "intermediate_size": shape.vision_intermediate,
            "num_heads": 16 if shape.vision_hidden > 64 else 4,
            "patch_size": 14,
            "out_hidden_size": shape.hidden,
            "window_size": 112,
            "fullatt_block_indexes": [shape.vision_depth - 1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=shape.tied,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if shape.hidden > 1000 else default)
    try:
        # On a GPU random numbers for seven billion weights take seconds, on a processor minutes.
        with torch.device(work.device):
            return Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
