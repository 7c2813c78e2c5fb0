"""Loupe's trainer on the benchmark's work: everything as in a run, but for what an episode says and earns."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.policy import Conversation, Policy, Reply
from loupe.core.protocol import Protocol
from loupe.core.records import Sample
from loupe.core.runs import RunFolder
from loupe.grpo.benchmark.work import BenchWork, crop_box, make_images, make_protocol
from loupe.grpo.config import GrpoConfig
from loupe.grpo.resampling import ResamplingConfig
from loupe.grpo.tasks import Row
from loupe.grpo.train import numbered, trainer_arguments
from loupe.grpo.trainer import ZoomGRPOTrainer, reward_names
from loupe.grpo.work import Work
from loupe.rewards.joint import RewardTable
from loupe.rewards.settings import RewardWeights
from loupe.zoom.loop import LoopInput

_ASK = '<think>So.</think><answer>{{"rating": 3.0, "bbox_2d": {box}, "tool": "crop"}}</answer>'
_END = '<think>So.</think><answer>{"rating": 3.0, "tool": "final"}</answer>'


def build(work: BenchWork, folder: Path, out: Path) -> ZoomGRPOTrainer:
    """A trainer over the model in `folder`; it writes below `out`."""
    lora = LoraSettings(enabled=work.lora > 0, rank=max(1, work.lora))
    settings = ModelConfig(path=str(folder), quantise=work.quantise, lora=lora, device=work.device)
    model, processor = load_model(settings, train=True)
    config = GrpoConfig(
        model=settings,
        out=str(out),
        rewards=RewardWeights(rank=0),
        resampling=ResamplingConfig(final_power=0),
        probe_images=0,
        trainer=trainer_settings(work),
    )
    protocol, images = make_protocol(work, processor), make_images(work)
    rows = [_Shown(image, number, protocol) for number, image in enumerate(images)]
    return _BenchTrainer(
        bench=work,
        model=model,
        args=trainer_arguments(config, out),
        processing_class=processor,
        reward_funcs=reward_names(),
        train_dataset=numbered(len(rows)),
        work=Work(rows, out, config, RunFolder(out)),
    )


def trainer_settings(work: BenchWork) -> dict[str, Any]:
    """Arguments of both trainers: one update a rollout, all rows in one micro-batch."""
    return {
        "num_generations": work.samples,
        "per_device_train_batch_size": work.rows,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": 1,
        "max_steps": work.warmup + work.steps,
        "learning_rate": 1e-6,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "beta": work.beta,
        "loss_type": "grpo",
        "gradient_checkpointing": work.checkpointing,
        "bf16": work.device != "cpu",
        "use_cpu": work.device == "cpu",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


class FullLength:
    """A policy that never stops early, and whose words ask for a crop in the first turn of a zoom work."""

    def __init__(self, policy: LocalPolicy, work: BenchWork) -> None:
        ends = policy.decoding.stop_ids
        policy.decoding = replace(
            policy.decoding,
            max_new_tokens=work.tokens,
            stop_ids=(),
            closing_ids=frozenset(),
            suppress_ids=(*policy.decoding.suppress_ids, *ends),
        )
        self.policy, self.zoom = policy, work.zoom

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """Replies with sampled tokens and scripted words."""
        replies = self.policy.respond(conversations, seed=seed)
        texts = [
            _ASK.format(box=list(crop_box(int(conversation.key.rpartition(".")[2]))))
            if self.zoom and not conversation.replies
            else _END
            for conversation in conversations
        ]
        return [replace(reply, text=text) for reply, text in zip(replies, texts, strict=True)]


class _Shown(Row):
    """A row whose image is in memory."""

    def __init__(self, image: Image.Image, number: int, protocol: Protocol) -> None:
        sample = Sample(str(number), "", "benchmark", "train", rating=3.0, mos=3.0)
        super().__init__("zoom", protocol, (sample,))
        object.__setattr__(self, "image", image)

    def open(self, folder: Path) -> LoopInput:
        return LoopInput(self.id, self.id, self.image, protocol=self.protocol)  # type: ignore[attr-defined]


class _BenchTrainer(ZoomGRPOTrainer):
    def __init__(self, *, bench: BenchWork, **kwargs: Any) -> None:
        self.bench = bench
        super().__init__(**kwargs)

    def _policy(self) -> Policy:
        policy = super()._policy()
        assert isinstance(policy, LocalPolicy)
        return FullLength(policy, self.bench)

    def _reward(self, played: Any, indices: Sequence[int]) -> RewardTable:
        """The rewards as they are computed, and then a sum that no group is dead with."""
        table = super()._reward(played, indices)
        return RewardTable(table.columns, np.random.default_rng(self._chunk).random(len(table.total)))
