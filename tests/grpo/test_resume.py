"""A run that is killed and goes on is the run that was never killed: the same images, rewards and weights."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loupe.core.config import to_yaml
from loupe.core.errors import MissingFileError
from loupe.core.files import read_jsonl
from loupe.core.model.loading import LoraSettings, ModelConfig
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.resampling import ResamplingConfig
from loupe.grpo.train import run_grpo
from loupe.rewards.settings import RewardWeights

Make = Callable[..., GrpoConfig]
Scripted = Callable[..., Any]
KEPT = {"save_strategy": "steps", "save_total_limit": 9}
TWO_UPDATES = {"steps_per_generation": 2, "per_device_train_batch_size": 4}
"""Two updates a generation, so that the second one is by another policy than the one that sampled."""


def weights(out: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(out / "model" / name)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def steps_logged(out: Path) -> list[int]:
    path = out / "metrics.jsonl"
    return [row["step"] for row in read_jsonl(path)] if path.is_file() else []


def run_and_kill(config: GrpoConfig, folder: Path, *, after: int) -> None:
    """Start the command in a process of its own, and kill it once a step is logged that comes after a checkpoint."""
    (folder / "killed.yaml").write_text(to_yaml(config))
    words = [sys.executable, "-m", "loupe.cli.main", "grpo", "--config", str(folder / "killed.yaml")]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 200
            while after not in steps_logged(Path(config.out)) and process.poll() is None:
                assert time.monotonic() < deadline, (folder / "said.txt").read_text()[-2000:]
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (folder / "said.txt").read_text()[-2000:]


def test_a_killed_command_goes_on_as_if_it_had_never_been_killed(tmp_path: Path, small_run: Make) -> None:
    settings: dict[str, Any] = {
        "trainer": TWO_UPDATES | {"max_steps": 8, "save_steps": 4, "report_to": "none"},
        "rewards": RewardWeights(format=1, score=0, degradation=0, rank=0, comparison=0),
        "resampling": ResamplingConfig(spent_weight=0.1, recent=1),
        "coverage": CoverageConfig(coefficient=1.0, fraction=0.05),
        "limit": 12,
        "probe_every": 4,
    }
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_grpo(small_run(whole, **settings))
    run_and_kill(small_run(killed, **settings), tmp_path, after=5)
    assert not (killed / "model").exists()
    assert [path.name for path in (killed / "checkpoints").glob("checkpoint-*")] == ["checkpoint-4"]
    rewards = read_jsonl(whole / "rewards.jsonl")
    assert len(read_jsonl(killed / "rewards.jsonl")) < len(rewards)

    run_grpo(small_run(killed, resume=True, **settings))
    for name in ("draws.jsonl", "rewards.jsonl"):
        assert read_jsonl(killed / name) == read_jsonl(whole / name)
    assert same(weights(killed), weights(whole))
    losses = [[(row["step"], row.get("loss")) for row in read_jsonl(out / "metrics.jsonl")] for out in (whole, killed)]
    assert losses[0] == losses[1]
    assert [row["step"] for row in read_jsonl(killed / "episodes.jsonl")] == [0, 4, 8]
    # What was learnt before the kill had a say in what was drawn after it.
    dead = [row["resampling/dead_groups"] for row in read_jsonl(whole / "metrics.jsonl") if "reward" in row]
    assert max(dead[:2]) > 0
    assert len({row["image"] for row in rewards if row["step"] > 4}) > 2


def test_an_adapter_goes_on_from_its_checkpoint_and_is_held_to_what_it_was_at_the_start(
    scripted: Scripted, taught_folder: Path
) -> None:
    start = ModelConfig(path=str(taught_folder), lora=LoraSettings(enabled=True, rank=4), device="cpu")
    trainer = KEPT | {"max_steps": 4, "learning_rate": 1e-2, "beta": 0.1}
    out = scripted(model=start, trainer=trainer).work.run.path
    whole, rows = weights(out, "adapter_model.safetensors"), read_jsonl(out / "metrics.jsonl")
    shutil.rmtree(out / "checkpoints" / "checkpoint-4")
    scripted(model=start, trainer=trainer, resume=True)
    assert same(weights(out, "adapter_model.safetensors"), whole)
    assert [row.get("kl") for row in read_jsonl(out / "metrics.jsonl")] == [row.get("kl") for row in rows]
    assert rows[3]["kl"] > 1e-4


def test_a_finished_run_that_is_given_more_steps_goes_on_with_the_next_images(scripted: Scripted) -> None:
    trainer = KEPT | TWO_UPDATES
    out = scripted(trainer=trainer | {"max_steps": 2}).work.run.path
    assert [(row["step"], row["chunk"]) for row in read_jsonl(out / "draws.jsonl")] == [(1, 0)]
    scripted(trainer=trainer | {"max_steps": 4}, resume=True)
    assert [(row["step"], row["chunk"]) for row in read_jsonl(out / "draws.jsonl")] == [(1, 0), (3, 1)]


def test_resuming_a_finished_run_changes_nothing(scripted: Scripted) -> None:
    out = scripted(trainer=KEPT).work.run.path
    before, rows = weights(out), read_jsonl(out / "rewards.jsonl")
    scripted(trainer=KEPT, resume=True)
    assert same(weights(out), before)
    assert read_jsonl(out / "rewards.jsonl") == rows


def test_a_checkpoint_without_what_the_sampler_knew_is_named(scripted: Scripted) -> None:
    out = scripted(trainer=KEPT).work.run.path
    (out / "checkpoints" / "checkpoint-2" / "sampler.json").unlink()
    with pytest.raises(MissingFileError, match=r"checkpoint-2/sampler\.json"):
        scripted(trainer=KEPT | {"max_steps": 4}, resume=True)
