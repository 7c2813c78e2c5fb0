"""A run of GRPO leaves a model and everything that says where it came from, and survives being killed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loupe.core.config import load_config, to_yaml
from loupe.core.files import read_json, read_jsonl
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.records import Episode
from loupe.grpo.config import GrpoConfig
from loupe.grpo.sampler import ProgressiveSampler
from loupe.grpo.train import run_grpo
from loupe.grpo.trainer import ZoomGRPOTrainer
from loupe.rewards.terms import TERMS
from loupe.zoom.loop import Played

Make = Callable[..., GrpoConfig]
Drawn = list[tuple[int, list[int]]]

KILLED_AFTER_STEP_3 = """
import os, signal, sys
from loupe.core.config import load_config
from loupe.core.model.trainer_log import RunLogCallback
from loupe.grpo.config import GrpoConfig
from loupe.grpo.train import run_grpo

log = RunLogCallback.on_log

def log_and_die(self, args, state, control, **kwargs):
    log(self, args, state, control, **kwargs)
    if state.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

RunLogCallback.on_log = log_and_die
run_grpo(load_config(GrpoConfig, sys.argv[1]))
"""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """(step, images) of every batch of rollouts that is played in this process."""
    batches: Drawn = []
    original = ZoomGRPOTrainer._play

    def watched(self: ZoomGRPOTrainer) -> list[Played]:
        batches.append((self.state.global_step, [row["index"] for row in self._rows]))
        return original(self)

    monkeypatch.setattr(ZoomGRPOTrainer, "_play", watched)
    return batches


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_model_config_environment_numbers_and_episodes(
    tmp_path: Path, small_run: Make, synthetic_folder: Path, taught_folder: Path
) -> None:
    config = small_run(tmp_path)
    steps: list[tuple[int, int]] = []
    folder = run_grpo(config, progress=lambda done, total: steps.append((done, total)))
    assert folder == tmp_path / "model"
    assert steps == [(1, 2), (2, 2)]
    assert load_config(GrpoConfig, tmp_path / "config.yaml") == config
    environment = read_json(tmp_path / "environment.json")
    assert list(environment["data_sha256"]) == [str(synthetic_folder / "manifest.json")]
    assert list(environment["start_sha256"]) == [str(taught_folder / "model.safetensors")]
    rows = [row for row in read_jsonl(tmp_path / "metrics.jsonl") if "reward" in row]
    assert [row["step"] for row in rows] == [1, 2]
    wanted = {"loss", "reward", "reward_std", "zoom_rate", "unusable", "entropy", "completions/mean_length"}
    # Nobody compares images here, and none of these few is damaged in a part: no number, and no row for it.
    applied = [name for name in TERMS if name not in ("comparison", "region_iou")]
    assert wanted | {f"rewards/{name}/mean" for name in applied} <= set(rows[0])
    assert rows[0]["reward_std"] > 0
    episodes = read_jsonl(tmp_path / "episodes.jsonl")
    assert [row.pop("step") for row in episodes] == [0, 2]
    assert {Episode.from_json(row).sample_id for row in episodes} == {"val-00000-0"}
    assert list((tmp_path / "checkpoints").rglob("events.out.tfevents.*"))
    assert not same(load_file(taught_folder / "model.safetensors"), weights(tmp_path))
    load_model(ModelConfig(path=str(folder)))


def test_a_killed_run_goes_on_with_the_same_images_and_ends_with_the_same_weights(
    tmp_path: Path, small_run: Make, drawn: Drawn
) -> None:
    trainer = {"max_steps": 4}
    run_grpo(small_run(tmp_path / "whole", trainer=trainer))
    whole = drawn.copy()
    assert [step for step, _ in whole] == [0, 1, 2, 3]
    assert len({tuple(images) for _, images in whole}) > 1
    drawn.clear()

    killed = tmp_path / "killed"
    (tmp_path / "killed.yaml").write_text(to_yaml(small_run(killed, trainer=trainer)))
    words = [sys.executable, "-c", KILLED_AFTER_STEP_3, str(tmp_path / "killed.yaml")]
    done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert not (killed / "model").exists()
    assert [path.name for path in (killed / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]

    run_grpo(small_run(killed, trainer=trainer, resume=True))
    assert drawn == whole[2:]
    assert same(weights(tmp_path / "whole"), weights(killed))
    assert [row["step"] for row in read_jsonl(killed / "metrics.jsonl")] == [1, 2, 3, 4, 4]
    assert [row["step"] for row in read_jsonl(killed / "episodes.jsonl")] == [0, 2, 4]
    assert read_jsonl(killed / "rewards.jsonl") == read_jsonl(tmp_path / "whole" / "rewards.jsonl")


def test_a_run_that_goes_on_within_a_generation_keeps_to_its_images(
    tmp_path: Path, small_run: Make, drawn: Drawn
) -> None:
    # Two updates a generation and a checkpoint after each: the second of the four falls within one.
    trainer = {"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 4, "save_steps": 1}
    trainer |= {"save_total_limit": 9}
    run_grpo(small_run(tmp_path, trainer=trainer))
    (_, first), (_, second) = drawn
    assert [step for step, _ in drawn] == [0, 2]
    assert first != second
    drawn.clear()
    for step in (2, 3, 4):
        shutil.rmtree(tmp_path / "checkpoints" / f"checkpoint-{step}")
    run_grpo(small_run(tmp_path, trainer=trainer, resume=True))
    assert drawn == [(1, first), (2, second)]


def test_the_images_that_are_played_are_those_of_the_sampler(
    tmp_path: Path, small_run: Make, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ProgressiveSampler] = []
    original = ZoomGRPOTrainer._get_train_sampler

    def kept(self: ZoomGRPOTrainer, dataset: object = None) -> ProgressiveSampler:
        made.append(original(self, dataset))
        return made[-1]

    monkeypatch.setattr(ZoomGRPOTrainer, "_get_train_sampler", kept)
    run_grpo(small_run(tmp_path, trainer={"max_steps": 3, "num_iterations": 2, "save_strategy": "no"}))
    assert [step for step, _ in drawn] == [0, 2]
    sampler = made[0]
    assert len(sampler) == 2 * 2 * 8
    for number, (_, images) in enumerate(drawn):
        assert images == [index for index in sampler.draw(number).tolist() for _ in range(4)]


def test_an_adapter_on_nf4_is_trained_against_the_adapter_that_it_was(
    tmp_path: Path, small_run: Make, taught_folder: Path
) -> None:
    start = ModelConfig(path=str(taught_folder), quantise="nf4", lora=LoraSettings(enabled=True, rank=4), device="cpu")
    quick = {"max_steps": 1, "save_strategy": "no", "learning_rate": 1e-2}
    first = run_grpo(small_run(tmp_path / "first", model=start, probe_images=0, trainer=quick))
    before = load_file(first / "adapter_model.safetensors")
    again = ModelConfig(path=str(first), quantise="nf4", device="cpu")
    second = run_grpo(small_run(tmp_path / "second", model=again, probe_images=0, trainer={**quick, "beta": 0.04}))
    after = load_file(second / "adapter_model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert "kl" in read_jsonl(tmp_path / "second" / "metrics.jsonl")[0]
    load_model(ModelConfig(path=str(second), quantise="nf4", device="cpu"))
