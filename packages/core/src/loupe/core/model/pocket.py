"""The pocket agent: a real Qwen2.5-VL of some 1.5 million parameters, built from its configuration alone.

Two choices decide how fast it learns from nothing (both found on this task, both ours): weights start wide
(`initializer_range` 0.08), and the vision tower starts as a bank of band energies (`start_as_energy_bank`). Noise, blur
and blocks all show in how much energy lies in which band, and a tower that has to find squaring by itself takes hours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.tokenization_utils_base import PreTrainedTokenizerBase


@dataclass(frozen=True)
class PocketSize:
    """Sizes of the pocket architecture."""

    hidden: int = 128
    """Width of the language model."""
    layers: int = 4
    """Layers of the language model."""
    vision_hidden: int = 128
    """Width of the vision tower."""
    vision_depth: int = 2
    """Layers of the vision tower."""


def build_pocket(
    tokenizer: PreTrainedTokenizerBase, size: PocketSize = PocketSize(), *, seed: int = 0
) -> Qwen2_5_VLForConditionalGeneration:
    """Model with random weights (float32, CPU), the same for the same seed."""
    torch.manual_seed(seed)
    token: Any = tokenizer.convert_tokens_to_ids
    rotary = size.hidden // 4 // 2
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": size.hidden,
            "intermediate_size": 2 * size.hidden,
            "num_hidden_layers": size.layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "initializer_range": 0.08,
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
            # Rows and columns of an image take the slower rotary frequencies. With the usual theta of 10,000 and more
            # one column turns them by a thousandth, and nobody could learn where something is; our texts are short.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 20.0,
                "mrope_section": [rotary - 2 * (rotary * 7 // 16), rotary * 7 // 16, rotary * 7 // 16],
            },
        },
        vision_config={
            "depth": size.vision_depth,
            "hidden_size": size.vision_hidden,
            "intermediate_size": 2 * size.vision_hidden,
            "num_heads": 4,
            "patch_size": 14,
            "out_hidden_size": size.hidden,
            "window_size": 112,
            "fullatt_block_indexes": [size.vision_depth - 1],
            "initializer_range": 0.08,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        pad_token_id=token("<|endoftext|>"),
        eos_token_id=[token("<|im_end|>"), token("<|endoftext|>")],
    )
    return model


@torch.no_grad()
def start_as_energy_bank(model: Qwen2_5_VLForConditionalGeneration, patches: torch.Tensor) -> None:
    """Set the first vision layers so that half of the channels are cosine coefficients and half are their squares.

    The patch embedding becomes cosine basis functions of unit variance over `patches` (N, 3·2·14·14): three quarters
    see luma over the whole band, one eighth each see two colour differences at low frequencies. The first block's gated
    MLP squares each of them: silu(z)·z + silu(−z)·(−z) = z². Attention and later blocks start small, so the squares
    arrive at the language model undisturbed; all weights are free to change from there.
    """
    vision: Any = model.model.visual
    embedding = vision.patch_embed.proj.weight
    bands = embedding.shape[0] // 2
    basis = torch.tensor(_cosine_basis(bands, embedding.shape[1:]), dtype=embedding.dtype, device=embedding.device)
    response = patches.to(embedding) @ basis.flatten(1).T
    embedding.zero_()
    embedding[:bands] = basis / (response.std(dim=0) + 1e-6)[:, None, None, None, None]
    first = vision.blocks[0]
    later = [layer for block in vision.blocks[1:] for layer in (block.attn.proj, block.mlp.down_proj)]
    for layer in (first.attn.proj, *later):
        layer.weight.mul_(0.1)
    # The merger's output comes in far larger than the embeddings of words; scaled down, the language model can write on
    # visual tokens too, for example where they are.
    vision.merger.mlp[2].weight.mul_(0.1)
    gate, up, down = first.mlp.gate_proj.weight, first.mlp.up_proj.weight, first.mlp.down_proj.weight
    for layer in (gate, up):
        layer[: 2 * bands] = 0
        layer[: 2 * bands, :bands] = torch.cat([torch.eye(bands), -torch.eye(bands)]).to(layer)
    down.mul_(0.25)
    down[:, : 2 * bands] = 0
    down[bands : 2 * bands, : 2 * bands] = 0.3 * torch.cat([torch.eye(bands), torch.eye(bands)], dim=1).to(down)


def _cosine_basis(count: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Two-dimensional cosine functions (count, channels, frames, side, side), luma first."""
    side = shape[-1]
    order = sorted((u + v, u, v) for u in range(side) for v in range(side))
    chroma = count // 8
    spread = np.linspace(0, len(order) - 1, count - 2 * chroma).round().astype(int)
    chosen = [(order[place], (1 / 3, 1 / 3, 1 / 3)) for place in spread]
    chosen += [(order[place], colour) for colour in ((0.5, 0.0, -0.5), (-0.25, 0.5, -0.25)) for place in range(chroma)]
    steps = (np.arange(side) + 0.5) * np.pi / side
    planes = [
        np.array(colour)[:, None, None, None] * np.outer(np.cos(u * steps), np.cos(v * steps))
        for (_, u, v), colour in chosen
    ]
    return np.stack([np.broadcast_to(plane, shape) for plane in planes])
