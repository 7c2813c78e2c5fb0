"""Absolute figures of one GPU: a QLoRA step of a model of real size. The file names the GPU; there is no other place
for absolute times."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from loupe.core.errors import ModelError
from loupe.grpo.benchmark.compare import Compared, write_json_report
from loupe.grpo.benchmark.work import SHAPES, BenchWork


def gpu_works(size: str, *, device: str, steps: int) -> list[BenchWork]:
    """8 samples of one image of 512 x 384, 256 tokens each, in NF4 with LoRA; checkpointing on and off, a crop or none.

    The shape `tiny` is small in everything, to try the command. Raises ModelError for a shape that nobody knows and for
    a device that is not there.
    """
    if size not in SHAPES:
        raise ModelError(f"got the size {size!r}; wanted one of {', '.join(SHAPES)}")
    if device != "cpu" and not torch.cuda.is_available():
        raise ModelError("no GPU here; give --device cpu --size tiny to try the command")
    base = BenchWork(
        images=1,
        samples=8,
        tokens=256,
        prompt=400,
        size=size,
        width=512,
        height=384,
        quantise="nf4",
        lora=16,
        beta=0.0,
        warmup=1,
        steps=steps,
        device=device,
    )
    if size == "tiny":
        base = replace(base, samples=2, tokens=8, prompt=60, width=112, height=112)
    return [
        replace(base, checkpointing=checkpointing, zoom=zoom)
        for zoom in (False, True)
        for checkpointing in (True, False)
    ]


def scoring_work(work: BenchWork) -> BenchWork:
    """32 images of the same size to score, unquantised: an answer of `work.tokens` tokens each, or none at all."""
    return replace(work, images=4 if work.size == "tiny" else 32, samples=1, quantise="none", lora=0, zoom=False)


WAYS = {"reasoning": "scoring: ours", "fast": "scoring: fast"}
"""How they are scored, by the names in the report."""


def write_gpu_report(made: Sequence[Compared], folder: Path) -> Path:
    """JSON with seconds by part, tokens a second and peak memory, and images a second where images were scored; named
    for the device and the size."""
    work = made[0].work
    name = torch.cuda.get_device_name() if work.device != "cpu" else "cpu"
    for item in made:
        own = item.work.rows * item.work.tokens * (2 if item.work.zoom else 1)
        for way, measured in item.measured.items():
            measured["device"] = name
            if way in WAYS:
                measured["images_per_second"] = item.work.images / measured["seconds"]
            else:
                measured["tokens_per_second"] = own / measured["seconds"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.lower().replace(' ', '-')}-{work.size}.json"
    write_json_report(made, path)
    return path
