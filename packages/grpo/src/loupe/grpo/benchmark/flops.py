"""A bound on how fast a step can be: its floating-point operations at the speed of this machine's matrix products.

Counted is what cannot be left out when a prompt is shared by its samples, once a matrix product of (m, k) and (k, n) is
2 m k n: the images and prompts of sampling, of the reference and of the policy, the completions of each, and backward
passes at twice the forward ones (once, with an adapter). Attention is counted over what a token sees. Norms, softmax,
rotary positions and the optimizer are not.
"""

import time
from typing import Any

import torch

from loupe.grpo.benchmark.work import BenchWork


def step_flops(config: Any, work: BenchWork, *, image_tokens: int, crop_tokens: int, crop_words: int = 0) -> float:
    """Floating-point operations of one step of `work` on a model with this (Qwen2.5-VL) config.

    `image_tokens` are those of an image, `crop_tokens` those of a crop, `crop_words` the others of a crop's turn.
    """
    added = work.tokens * 2 + crop_tokens + crop_words if work.zoom else work.tokens
    text = config.get_text_config()
    prompt = work.images * _tokens_flops(text, work.prompt, first=0)
    rest = work.rows * _tokens_flops(text, added, first=work.prompt)
    vision = work.images * _vision_flops(config.vision_config, image_tokens)
    vision += work.rows * _vision_flops(config.vision_config, crop_tokens) if work.zoom else 0
    own = work.tokens * (2 if work.zoom else 1)
    head = work.rows * own * 2 * text.hidden_size * text.vocab_size
    forward = prompt + rest + vision + head
    # Weights that are frozen under an adapter need no gradient of their own.
    passes = 1 + (1 if work.beta else 0) + (2 if work.lora else 3)
    return passes * forward


def matmul_speed(*, repeats: int = 8, device: str = "cpu") -> float:
    """Operations a second of square matrix products, the best of `repeats`, in the precision of training.

    They are as large as it takes to keep the device busy.
    """
    size, dtype = (1024, torch.float32) if device == "cpu" else (8192, torch.bfloat16)
    left = torch.randn((size, size), device=device, dtype=dtype)
    best = float("inf")
    for _ in range(repeats):
        _wait(device)
        started = time.perf_counter()
        torch.mm(left, left)
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * size**3 / best


def _tokens_flops(text: Any, count: int, *, first: int) -> float:
    """`count` tokens of one sequence behind `first` others."""
    width = text.hidden_size // text.num_attention_heads
    projections = 2 * text.hidden_size + 2 * width * text.num_key_value_heads
    linear = 2 * text.hidden_size * (projections + 3 * text.intermediate_size)
    seen = count * first + count * (count + 1) / 2
    return text.num_hidden_layers * (count * linear + 4 * text.hidden_size * seen)


def _vision_flops(vision: Any, tokens: int) -> float:
    """One image of so many visual tokens; attention within its windows is left out, it is little."""
    patches = tokens * vision.spatial_merge_size**2
    linear = 2 * vision.hidden_size * (4 * vision.hidden_size + 3 * vision.intermediate_size)
    merged = vision.hidden_size * vision.spatial_merge_size**2
    return patches * vision.depth * linear + tokens * 2 * merged * (merged + vision.out_hidden_size)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
