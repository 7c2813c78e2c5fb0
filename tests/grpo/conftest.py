"""A model that has learnt the form of an answer in a few seconds, settings of runs that take one, and runs whose agent
says what a script says; `two_processes.py` imports those too.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

import loupe.grpo.train as stage
from loupe.core.model.loading import ModelConfig
from loupe.core.policy import Conversation, Policy, Reply
from loupe.grpo.config import GrpoConfig
from loupe.grpo.micro_batch import MicroBatch
from loupe.grpo.trainer import ZoomGRPOTrainer
from loupe.zoom.loop import Played
from loupe.zoom.scripted import ScriptedPolicy

SMALL: dict[str, Any] = {
    "num_generations": 4,
    "per_device_train_batch_size": 8,
    "steps_per_generation": 1,
    "max_steps": 2,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "save_steps": 2,
    "use_cpu": True,
}
BOX = '"bbox_2d": [0.5, 0.0, 1.0, 0.5]'
LABELS = f'"distortion_class": "blur", "severity": "slight", {BOX}'
ASK = f'<think>I need a closer look.</think><answer>{{{LABELS}, "rating": 3.0, "tool": "crop"}}</answer>'
END = f'<think>It is blur.</think><answer>{{{LABELS}, "rating": 2.0, "tool": "final"}}</answer>'
SHORT = f'<think>So.</think><answer>{{{LABELS}, "rating": 4.0, "tool": "final"}}</answer>'
SCRIPTS = ((ASK, END), (SHORT,), ("Nothing that can be used.",), (ASK, SHORT))
"""Of each group of four: two in the asked form with a crop, one without, one of no form at all."""

Scripts = Sequence[Sequence[str]] | Callable[[Conversation], str]
Chosen = dict[int, list[int]]
Gradients = dict[str, torch.Tensor]


class ScriptedTrainer(ZoomGRPOTrainer):
    """Says what `scripts` say, sample by sample, and keeps what passes through the hooks."""

    scripts: Scripts = SCRIPTS

    def __init__(self, **kwargs: Any) -> None:
        self.played: list[list[Played]] = []
        self.batches: list[MicroBatch] = []
        self.chosen: list[tuple[int, Chosen]] = []
        self.gradients: list[Gradients] = []
        super().__init__(**kwargs)
        self.add_callback(_KeptGradients(self.gradients))

    def _policy(self) -> Policy:
        return ScriptedPolicy(self._line)

    def _line(self, conversation: Conversation) -> Reply:
        if callable(self.scripts):
            text = self.scripts(conversation)
        else:
            number = int(conversation.key.rsplit(".", 1)[1])
            text = self.scripts[number % len(self.scripts)][len(conversation.replies)]
        return Reply(text, self.encoder.reply_ids(text))

    def _play(self, indices: Sequence[int]) -> list[Played]:
        self.played.append(super()._play(indices))
        return self.played[-1]

    def _roll_out(self, indices: Sequence[int]) -> MicroBatch:
        self.batches.append(super()._roll_out(indices))
        return self.batches[-1]

    def _chosen(self, batches: Sequence[MicroBatch], log_probs: Sequence[torch.Tensor]) -> list[MicroBatch]:
        made = super()._chosen(batches, log_probs)
        for batch in made:
            assert batch.selected is not None
            places = {
                item.number: row.nonzero().flatten().tolist()
                for item, row in zip(batch.rollouts, batch.selected, strict=True)
            }
            self.chosen.append((self.state.global_step, places))
        return made


class _KeptGradients(TrainerCallback):
    def __init__(self, kept: list[Gradients]) -> None:
        self.kept = kept

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        named = model.named_parameters()
        self.kept.append({name: item.grad.clone() for name, item in named if item.grad is not None})


@contextmanager
def scripted_stage(kind: type[ScriptedTrainer] = ScriptedTrainer) -> Iterator[list[ScriptedTrainer]]:
    """The GRPO stage with a scripted agent; the trainers that it makes."""
    made: list[ScriptedTrainer] = []

    class Kept(kind):
        def __init__(self, **kwargs: Any) -> None:
            made.append(self)
            super().__init__(**kwargs)

    original, stage.ZoomGRPOTrainer = stage.ZoomGRPOTrainer, Kept  # type: ignore[misc]
    try:
        yield made
    finally:
        stage.ZoomGRPOTrainer = original  # type: ignore[misc]


def run_scripted(config: GrpoConfig, kind: type[ScriptedTrainer] = ScriptedTrainer) -> ScriptedTrainer:
    """The trainer of a whole run with a scripted agent, when the run is over."""
    config.probe_images = 0
    config.trainer = {"report_to": "none", "save_strategy": "no", **config.trainer}
    with scripted_stage(kind) as made:
        stage.run_grpo(config)
    return made[0]


@pytest.fixture(scope="session")
def taught_folder(synthetic_folder: Path, blank_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen four rationales often enough to answer in their form, and not to be sure of anything."""
    from loupe.sft.config import SftConfig
    from loupe.sft.train import run_sft

    trainer = {
        "max_steps": 16,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "save_strategy": "no",
        "use_cpu": True,
    }
    config = SftConfig(
        model=ModelConfig(path=str(blank_folder), device="cpu"),
        data=str(synthetic_folder),
        out=str(tmp_path_factory.mktemp("taught") / "sft"),
        limit=4,
        probe_images=0,
        trainer=trainer,
    )
    folder = run_sft(config)
    # Each run ends with a collection of garbage, half a second over all the modules that are loaded by now.
    gc.freeze()
    return folder


@pytest.fixture(scope="session")
def small_run(synthetic_folder: Path, taught_folder: Path) -> Callable[..., GrpoConfig]:
    """Config of a small run into a folder: two images a step, four episodes each. Other fields by name."""

    def make(out: Path, *, trainer: dict[str, Any] | None = None, **fields: Any) -> GrpoConfig:
        start = {"model": ModelConfig(path=str(taught_folder), device="cpu"), "data": str(synthetic_folder)}
        rest = {"limit": 6, "probe_images": 1, "probe_every": 2, "seed": 1}
        return GrpoConfig(**{**start, **rest, **fields}, out=str(out), trainer={**SMALL, **(trainer or {})})

    return make


@pytest.fixture(scope="session")
def scripted_into(small_run: Callable[..., GrpoConfig]) -> Callable[..., ScriptedTrainer]:
    """The trainer of a small run into a folder with a scripted agent, when the run is over; other fields by name."""

    def make(out: Path, scripts: Scripts = SCRIPTS, **fields: Any) -> ScriptedTrainer:
        said = staticmethod(scripts) if callable(scripts) else scripts
        kind = type("Scripted", (ScriptedTrainer,), {"scripts": said})
        return run_scripted(small_run(out, **fields), kind)

    return make


@pytest.fixture
def scripted(scripted_into: Callable[..., ScriptedTrainer], tmp_path: Path) -> Callable[..., ScriptedTrainer]:
    """The same, into a folder of the test by its name."""

    def make(out: str = "run", scripts: Scripts = SCRIPTS, **fields: Any) -> ScriptedTrainer:
        return scripted_into(tmp_path / out, scripts, **fields)

    return make
