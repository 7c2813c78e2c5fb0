"""Perception from nothing: what a pretrained vision-language model brings along, the pocket agent has to learn first.

Looks at overviews, at crops, and at an overview and then a crop of it, answered by a bare `<answer>` with class,
severity, region and rating; no reasoning, no asking for crops: those are what SFT and GRPO teach. Sequences all begin
alike and images have one size, so the loop packs them by hand instead of going through a chat trainer; it is several
times faster, and this stage is the only one that takes hours.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from loupe.core.errors import ConfigError
from loupe.core.files import write_bytes_atomic
from loupe.core.model.fast_vision import speed_up_vision
from loupe.core.model.loading import ModelConfig, load_model, save_model
from loupe.core.model.pocket import PocketSize, build_pocket, start_as_energy_bank
from loupe.core.model.processors import POCKET_SIDE, build_pocket_processor
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.runs import open_run
from loupe.sft.crew import average_gradients, crew, rank
from loupe.sft.looks import LookBatch, draw_looks, looks_in_order
from loupe.sft.packing import Packer
from loupe.sft.views import Views, load_views


@dataclass
class PerceptionConfig:
    """How the pocket base is trained."""

    data: str = "data/pocket-base"
    """Data folder with splits `train` and `val`."""
    out: str = "runs/pocket/base"
    """Folder for the checkpoint, the log and the configuration."""
    start: str = ""
    """Model folder of a pocket agent to go on from; empty for random weights."""
    protocol: str = "zoom-brief"
    """Protocol whose questions are asked of overviews."""
    size: PocketSize = field(default_factory=PocketSize)
    """Sizes of the architecture."""
    steps: int = 20_000
    """Optimizer steps."""
    batch: int = 16
    """Views in one step of one process."""
    processes: int = 1
    """Processes that train together on a CPU, each with the images and a batch of its own; a GPU takes one."""
    learning_rate: float = 4e-4
    """Peak of the cosine schedule; the warm-up takes 1 % of the steps."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    evaluate_every: int = 500
    """Steps between two evaluations on `val`."""
    own_share: float = 0.5
    """Share of the answers whose fields are the model's own, with the truth taught behind them (ours)."""
    jpeg_share: float = 0.3
    """Share of the images that are seen as a JPEG file of good quality would show them."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto` for a GPU where there is one."""
    seed: int = 0
    """Seed of weights and batches."""
    resume: bool = False
    """Go on from the last checkpoint in `out`."""


def run_perception(
    config: PerceptionConfig, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Train, from random weights or from `start`, and write `<out>/model`; returns that folder.

    `progress(done, total)` counts steps.

    Raises MissingFileError, DataError for the data, ConfigError where `out` holds another run.
    """
    if config.processes < 1:
        raise ConfigError(f"processes={config.processes}; wanted at least 1")
    processes = config.processes if _device(config.device).type == "cpu" else 1
    out, data = Path(config.out), Path(config.data)
    val = _views(config, "val")
    run = open_run(out, config, data=[data / "manifest.json"], start=config.start or None, resume=config.resume)
    with crew(processes, _help, config, run.resumed):
        trainer = PerceptionTrainer(config, _views(config, "train"))
        started = trainer.load(out / "checkpoint") if run.resumed else 0
        run.rewind(started)
        recent: list[float] = []
        for step in range(started + 1, config.steps + 1):
            recent.append(trainer.step(step))
            progress(step, config.steps)
            if step % config.evaluate_every == 0 or step == config.steps:
                figures = evaluate_perception(trainer.packer, val, trainer.protocol, trainer.device)
                run.log(step, loss=float(np.mean(recent)), seconds=trainer.seconds, **figures)
                recent.clear()
                trainer.save(out / "checkpoint", step)
    save_model(trainer.model, trainer.processor, out / "model")
    return out / "model"


def _views(config: PerceptionConfig, split: str) -> Views:
    return load_views(Path(config.data), split, side=POCKET_SIDE, jpeg_share=config.jpeg_share, seed=config.seed)


def _help(config: PerceptionConfig, resumed: bool) -> None:
    """What the other processes of the crew do: the same steps, on views of their own."""
    trainer = PerceptionTrainer(config, _views(config, "train"))
    started = trainer.load(Path(config.out) / "checkpoint") if resumed else 0
    for step in range(started + 1, config.steps + 1):
        trainer.step(step)


class PerceptionTrainer:
    """Model, optimizer and schedule of the loop. A step depends on the seed and its number only, so a killed run that
    goes on from a checkpoint takes the steps that it would have taken."""

    def __init__(self, config: PerceptionConfig, views: Views) -> None:
        self.config = config
        self.views = views
        self.protocol = load_protocol(config.protocol)
        self.device = _device(config.device)
        self.model, self.processor = _model_to_train(config)
        self.packer = Packer(self.processor, self.model)
        if not config.start:
            first = draw_looks(views, self.protocol, 64, rng=np.random.default_rng([config.seed, 0]))
            start_as_energy_bank(self.model, self.packer.patches(first.pixels))
        speed_up_vision(self.model)
        self.model.to(self.device).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99)
        )
        self.seconds = 0.0

    def step(self, number: int) -> float:
        """One optimizer step, numbered from 1; returns its loss."""
        began = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * _schedule(number - 1, self.config.steps)
        loss = self.packer.loss(
            self._batch(number, self.config.batch),
            self.device,
            own_share=self.config.own_share,
            rng=np.random.default_rng([self.config.seed, number, rank(), 1]),
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(list(self.model.parameters()))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.seconds += time.monotonic() - began
        return loss.item()

    def save(self, folder: Path, step: int) -> None:
        """Weights, the optimizer's two moments and the step, in one safetensors file."""
        tensors = {}
        for name, weight in self.model.named_parameters():
            state = self.optimizer.state[weight]
            tensors |= {name: weight.data, f"m.{name}": state["exp_avg"], f"v.{name}": state["exp_avg_sq"]}
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        data = safetensors.torch.save(tensors, {"step": str(step), "seconds": str(self.seconds)})
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(folder / "state.safetensors", data)

    def load(self, folder: Path) -> int:
        """Inverse of `save`; returns the step, 0 where nothing was saved yet."""
        path = folder / "state.safetensors"
        if not path.is_file():
            return 0
        with safetensors.safe_open(str(path), "pt", device=str(self.device)) as file:
            notes = file.metadata()
            for name, weight in self.model.named_parameters():
                weight.data.copy_(file.get_tensor(name))
                self.optimizer.state[weight] = {
                    "step": torch.tensor(float(notes["step"])),
                    "exp_avg": file.get_tensor(f"m.{name}"),
                    "exp_avg_sq": file.get_tensor(f"v.{name}"),
                }
        self.seconds = float(notes["seconds"])
        return int(notes["step"])

    def _batch(self, number: int, count: int) -> LookBatch:
        """Pairs in every other step, and in half of a crew: batches of one kind need little padding."""
        rng = np.random.default_rng([self.config.seed, number, rank()])
        return draw_looks(self.views, self.protocol, count, rng=rng, paired=(number + rank()) % 2 == 1)


@torch.no_grad()
def evaluate_perception(packer: Packer, views: Views, protocol: Protocol, device: torch.device) -> dict[str, float]:
    """Accuracy of each answer field, given the true fields before it, on overviews and on crops of the damaged region.

    Keys are `overview_class`, `crop_severity` and so on, 0 to 1; `…_rating_error` is the mean error in rating points.
    """
    packer.model.eval()
    figures: dict[str, float] = {}
    for kind in ("overview", "crop", "pair"):
        hits: dict[str, list[float]] = {}
        for batch in looks_in_order(views, protocol, kind):
            for name, right in packer.field_hits(batch, device):
                hits.setdefault(f"{kind}_{name}", []).append(right)
        figures |= {name: float(np.mean(values)) for name, values in hits.items()}
    packer.model.train()
    return figures


def _model_to_train(config: PerceptionConfig) -> tuple[Any, Any]:
    """(model, processor) with random weights, or those of `start`, on the CPU."""
    if config.start:
        return load_model(ModelConfig(config.start, dtype="float32", device="cpu"), train=True)
    processor = build_pocket_processor()
    return build_pocket(processor.tokenizer, config.size, seed=config.seed), processor


def _schedule(step: int, steps: int) -> float:
    warm = max(1, steps // 100)
    return min(1.0, (step + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
