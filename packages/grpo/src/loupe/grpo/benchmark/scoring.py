"""Batch scoring of many images: one greedy answer each, by our sampler and by the library's batched `generate`, or a
rating read off in one pass without any answer."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.fast_rating import FastRating
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.model.local_policy import LocalPolicy, decoding_for
from loupe.core.model.processors import load_processor
from loupe.core.policy import Conversation, UserTurn
from loupe.core.sampling import GREEDY
from loupe.grpo.benchmark.ours import FullLength
from loupe.grpo.benchmark.work import BenchWork, make_images, make_protocol

_OPENING = '<answer>{"tool": "final", "rating": '
"""Any opening costs the same: random weights know no answer."""


def time_scoring(work: BenchWork, way: str, folder: Path) -> dict[str, Any]:
    """Median seconds for all `work.images`, one completion each, by one of `WAYS`; and the tokens that were written, or
    the rating in hundredths where none are."""
    run = WAYS[way](work, folder)
    seconds: list[float] = []
    written: list[list[int]] = []
    for _ in range(work.warmup + work.steps):
        started = time.perf_counter()
        written = run()
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.median(seconds[work.warmup :]), "written": written}


def _ours(work: BenchWork, folder: Path) -> Callable[[], list[list[int]]]:
    model, processor = load_model(ModelConfig(path=str(folder), device=work.device))
    question, images = make_protocol(work, processor).question, make_images(work)

    def run() -> list[list[int]]:
        # A policy of its own each time: nothing may be remembered from one pass to the next.
        policy = FullLength(LocalPolicy(model, processor, max_new_tokens=work.tokens, batch_size=len(images)), work)
        return [list(reply.token_ids) for reply in policy.respond(_asked(images, question), seed=0)]

    return run


def _fast(work: BenchWork, folder: Path) -> Callable[[], list[list[int]]]:
    model, processor = load_model(ModelConfig(path=str(folder), device=work.device))
    question, images = make_protocol(work, processor).question, make_images(work)

    def run() -> list[list[int]]:
        rated = FastRating(model, processor, batch_size=len(images)).rate(_asked(images, question), opening=_OPENING)
        return [[round(100 * item.expected_rating)] for item in rated]

    return run


def _library(work: BenchWork, folder: Path) -> Callable[[], list[list[int]]]:
    loaded: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    model = loaded.to(work.device).eval()
    processor = load_processor(folder, model_type="qwen2_5_vl")
    question, images = make_protocol(work, processor).question, make_images(work)
    decoding = decoding_for(processor, max_new_tokens=work.tokens, sampling=GREEDY, model=model)
    suppressed = [*decoding.suppress_ids, *decoding.stop_ids]

    def run() -> list[list[int]]:
        encoder = ChatEncoder(processor)
        batch = encoder.collate([encoder.encode(item) for item in _asked(images, question)])
        with torch.no_grad():
            written = model.generate(
                **{name: tensor.to(work.device) for name, tensor in batch.items()},
                do_sample=False,
                max_new_tokens=work.tokens,
                suppress_tokens=suppressed,
                temperature=None,
                pad_token_id=processor.tokenizer.pad_token_id,
            )
        return written[:, batch["input_ids"].shape[1] :].tolist()

    return run


def _asked(images: Sequence[Image.Image], question: str) -> list[Conversation]:
    return [Conversation(str(place), "", [UserTurn((image,), question)]) for place, image in enumerate(images)]


WAYS: dict[str, Callable[[BenchWork, Path], Callable[[], list[list[int]]]]] = {
    "scoring: ours": _ours,
    "scoring: library": _library,
    "scoring: fast": _fast,
}
