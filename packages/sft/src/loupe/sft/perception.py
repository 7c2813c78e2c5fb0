"""Perception from nothing: what a pretrained vision-language model brings along, the pocket agent has to learn first.

Single looks only, at overviews and at crops, each answered by a bare `<answer>` with class, severity, region and rating;
no reasoning, no zooming: those are what SFT and GRPO teach. Sequences all begin alike and images have one size, so the
loop packs them by hand instead of going through a chat trainer; it is several times faster, and this stage is the only
one that takes hours.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from loupe.core.answer import answer_of, render
from loupe.core.model.fast_vision import speed_up_vision
from loupe.core.model.pocket import PocketSize, build_pocket, start_as_energy_bank
from loupe.core.model.processors import POCKET_SIDE, build_pocket_processor
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Box, severity_word
from loupe.sft.views import Views, load_views

CROP_QUESTION = "Judge this crop."
"""What the base is asked about a crop on its own; episodes never use it."""


@dataclass
class PerceptionConfig:
    """How the pocket base is trained."""

    data: str = "data/pocket-base"
    """Data folder with splits `train` and `val`."""
    out: str = "runs/pocket/base"
    """Folder for the checkpoint, the log and the configuration."""
    protocol: str = "zoom-brief"
    """Protocol whose questions are asked of overviews."""
    size: PocketSize = field(default_factory=PocketSize)
    """Sizes of the architecture."""
    steps: int = 20_000
    """Optimizer steps."""
    batch: int = 32
    """Views in one step, half overviews and half crops."""
    learning_rate: float = 1e-3
    """Peak of the cosine schedule; the warm-up takes 1 % of the steps."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    evaluate_every: int = 1000
    """Steps between two evaluations on `val`."""
    jpeg_share: float = 0.3
    """Share of the images that are seen as a JPEG file of good quality would show them."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for a GPU where there is one."""
    seed: int = 0
    """Seed of weights and batches."""


@dataclass(frozen=True)
class _Batch:
    pixels: npt.NDArray[np.uint8]
    """(B, side, side, 3)"""
    texts: list[tuple[str, str]]
    """Question and answer of each view."""


def train_perception(
    config: PerceptionConfig, *, log: Callable[[int, dict[str, float]], None], save: Callable[[Any, Any], None]
) -> None:
    """Train from random weights; `log(step, numbers)` at every evaluation, `save(model, processor)` then and at the end."""
    device = _device(config.device)
    protocol = load_protocol(config.protocol)
    views = {
        split: load_views(Path(config.data), split, side=POCKET_SIDE, jpeg_share=config.jpeg_share, seed=config.seed)
        for split in ("train", "val")
    }
    processor = build_pocket_processor()
    model = build_pocket(processor.tokenizer, config.size, seed=config.seed)
    rng = np.random.default_rng(config.seed)
    packer = Packer(processor, model)
    start_as_energy_bank(model, packer.patches(_draw(views["train"], protocol, 64, rng=rng).pixels))
    speed_up_vision(model)
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.95)
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, config.steps))
    started, recent = time.monotonic(), []
    for step in range(1, config.steps + 1):
        loss = packer.loss(_draw(views["train"], protocol, config.batch, rng=rng), device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        recent.append(loss.item())
        if step % config.evaluate_every == 0 or step == config.steps:
            figures = evaluate_perception(packer, views["val"], protocol, device)
            seconds = time.monotonic() - started
            log(step, {"loss": float(np.mean(recent)), "seconds": seconds, **figures})
            recent.clear()
            save(model, processor)


@torch.no_grad()
def evaluate_perception(packer: "Packer", views: Views, protocol: Protocol, device: torch.device) -> dict[str, float]:
    """Accuracy of each answer field on overviews and on crops of the damaged region, given the true fields before it."""
    packer.model.eval()
    figures: dict[str, float] = {}
    for kind in ("overview", "crop"):
        hits: dict[str, list[float]] = {}
        for batch in _in_order(views, protocol, kind):
            for name, right in packer.field_hits(batch, device):
                hits.setdefault(f"{kind}_{name}", []).append(right)
        figures |= {name: float(np.mean(values)) for name, values in hits.items()}
    packer.model.train()
    return figures


class Packer:
    """Turns views and texts into packed tensors for one model; all sequences share the prefix up to the image."""

    def __init__(self, processor: Any, model: Any) -> None:
        self.model = model
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        side = POCKET_SIDE // self.image_processor.patch_size
        self.grid = (1, side, side)
        pads = "<|image_pad|>" * (side * side // self.image_processor.merge_size**2)
        self.prefix = f"<|im_start|>user\n<|vision_start|>{pads}<|vision_end|>"
        self.positions = self._positions(256)

    def loss(self, batch: _Batch, device: torch.device) -> torch.Tensor:
        """Mean cross-entropy over all answer tokens."""
        logits, labels = self._forward(batch, device)
        return F.cross_entropy(logits, labels)

    def field_hits(self, batch: _Batch, device: torch.device) -> Iterator[tuple[str, float]]:
        """(field, 1.0 or 0.0) for each answer's class and severity and region, and (rating_error, points)."""
        logits, labels = self._forward(batch, device)
        predicted, truth = logits.argmax(-1).tolist(), labels.tolist()
        place = 0
        for _, answer in batch.texts:
            length = len(self._ids(f"{answer}<|im_end|>"))
            said, true = predicted[place : place + length], truth[place : place + length]
            place += length
            yield from self._compare(said, true)

    def _compare(self, said: list[int], true: list[int]) -> Iterator[tuple[str, float]]:
        keys = {"class": '{"distortion_class": ', "severity": ', "severity": ', "region": ', "bbox_2d": '}
        ends = [i for i, token in enumerate(true) if self.tokenizer.decode([token]).startswith((', "', "}"))]
        for name, key in keys.items():
            if (token := self.tokenizer.convert_tokens_to_ids(key)) in true:
                start = true.index(token) + 1
                end = min((i for i in ends if i > start), default=len(true))
                yield name, float(said[start:end] == true[start:end])
        start = true.index(self.tokenizer.convert_tokens_to_ids(', "rating": ')) + 1
        try:
            yield "rating_error", abs(float(self.tokenizer.decode([said[start]])) - float(self.tokenizer.decode([true[start]])))
        except ValueError:
            yield "rating_error", 4.0

    def patches(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """pixels (B, side, side, 3) → normalised patches (B · patches, 3·2·14·14), as the image processor lays them out."""
        processor = self.image_processor
        patch, merge, (_, rows, _) = processor.patch_size, processor.merge_size, self.grid
        x = torch.from_numpy(pixels).float() / 255
        x = (x - torch.tensor(processor.image_mean)) / torch.tensor(processor.image_std)
        x = x.reshape(len(pixels), rows // merge, merge, patch, rows // merge, merge, patch, 3)
        x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)[:, :, :, :, :, :, None]
        x = x.expand(-1, -1, -1, -1, -1, -1, processor.temporal_patch_size, -1, -1)
        return x.reshape(len(pixels) * rows * rows, -1)

    def _forward(self, batch: _Batch, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (answer tokens, vocabulary) and their labels, in the order of the batch."""
        prompts = [self._ids(f"{self.prefix}{q}<|im_end|>\n<|im_start|>assistant\n") for q, _ in batch.texts]
        answers = [self._ids(f"{a}<|im_end|>") for _, a in batch.texts]
        length = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
        # Padding lies on the right, where a causal model never looks back at it, so no mask is needed.
        ids = torch.full((len(prompts), length), self.tokenizer.pad_token_id)
        learn = torch.zeros((len(prompts), length), dtype=torch.bool)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            learn[row, len(prompt) - 1 : len(prompt) + len(answer) - 1] = True
        grid = torch.tensor([self.grid] * len(prompts))
        hidden = self.model.model(
            input_ids=ids.to(device),
            pixel_values=self.patches(batch.pixels).to(device),
            image_grid_thw=grid.to(device),
            position_ids=self.positions[:, :, :length].expand(-1, len(prompts), -1).to(device),
            use_cache=False,
        ).last_hidden_state
        labels = ids.roll(-1, dims=1)[learn]
        return self.model.lm_head(hidden[learn.to(device)]), labels.to(device)

    def _positions(self, length: int) -> torch.Tensor:
        """M-RoPE positions (3, 1, length): they depend on the common prefix alone."""
        prefix = self._ids(self.prefix)
        ids = torch.tensor([prefix + [self.tokenizer.pad_token_id] * (length - len(prefix))])
        types = (ids == self.model.config.image_token_id).int()
        return self.model.model.get_rope_index(ids, image_grid_thw=torch.tensor([self.grid]), mm_token_type_ids=types)[0]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids


def _draw(views: Views, protocol: Protocol, count: int, *, rng: np.random.Generator) -> _Batch:
    """A random batch, half overviews, half crops, each mirrored at random."""
    pixels, texts = [], []
    for i in rng.integers(len(views), size=count):
        flips = (bool(rng.random() < 0.5), bool(rng.random() < 0.5))
        kind = "overview" if len(texts) % 2 == 0 else "crop"
        region = views.draw_region(int(i), rng)
        picture, text = _example(views, protocol, int(i), kind, region=region, flips=flips, brief=bool(rng.random() < 0.5))
        pixels.append(picture)
        texts.append(text)
    return _Batch(np.stack(pixels), texts)


def _in_order(views: Views, protocol: Protocol, kind: str, *, size: int = 100) -> Iterator[_Batch]:
    for first in range(0, len(views), size):
        rows = [
            _example(views, protocol, i, kind, region=views.true_region(i), flips=(False, False), brief=True)
            for i in range(first, min(first + size, len(views)))
        ]
        yield _Batch(np.stack([row[0] for row in rows]), [row[1] for row in rows])


def _example(
    views: Views, protocol: Protocol, index: int, kind: str, *, region: int, flips: tuple[bool, bool], brief: bool
) -> tuple[npt.NDArray[np.uint8], tuple[str, str]]:
    truth = views.samples[index].degradation
    assert truth is not None
    if kind == "crop":
        seen = views.region_shows(index, region)
        fields: dict[str, Any] = {
            "distortion_class": truth.distortion_class if seen else None,
            "severity": severity_word(truth.severity) if seen else None,
            "rating": round(views.evidence[index].region_ratings[region], 1),
        }
        return _flip(views.crop(index, region), flips), (CROP_QUESTION, _bare(fields))
    fields = {
        "distortion_class": truth.distortion_class,
        "severity": severity_word(truth.severity),
        "bbox_2d": _flip_box(truth.bbox_2d, flips),
        "rating": round(views.samples[index].rating, 1),
    }
    question = protocol.no_zoom_question if brief else protocol.question
    return _flip(views.overviews[index], flips), (question, _bare(fields))


def _bare(fields: dict[str, Any]) -> str:
    text = render(answer_of("", **fields))
    return text[text.index("<answer>") :]


def _flip(pixels: npt.NDArray[np.uint8], flips: tuple[bool, bool]) -> npt.NDArray[np.uint8]:
    return pixels[:: -1 if flips[1] else 1, :: -1 if flips[0] else 1]


def _flip_box(box: Box | None, flips: tuple[bool, bool]) -> Box | None:
    if box is None:
        return None
    x1, y1, x2, y2 = box
    if flips[0]:
        x1, x2 = 1 - x2, 1 - x1
    if flips[1]:
        y1, y2 = 1 - y2, 1 - y1
    return (x1, y1, x2, y2)


def _schedule(step: int, steps: int) -> float:
    warm = max(1, steps // 100)
    return min(1.0, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
