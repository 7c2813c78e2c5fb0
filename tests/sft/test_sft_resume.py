"""A run that is killed and goes on ends where it would have ended."""

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

from loupe.core.config import to_yaml
from loupe.core.errors import ConfigError
from loupe.core.files import read_jsonl
from loupe.core.model.loading import LoraSettings, ModelConfig
from loupe.sft.config import SftConfig
from loupe.sft.train import run_sft

Make = Callable[..., SftConfig]

KILLED_AFTER_STEP_3 = """
import os, signal, sys
from loupe.core.config import load_config
from loupe.core.model.trainer_log import RunLogCallback
from loupe.sft.config import SftConfig
from loupe.sft.train import run_sft

log = RunLogCallback.on_log

def log_and_die(self, args, state, control, **kwargs):
    log(self, args, state, control, **kwargs)
    if state.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

RunLogCallback.on_log = log_and_die
run_sft(load_config(SftConfig, sys.argv[1]))
"""


def run_and_kill(config: SftConfig, folder: Path) -> None:
    (folder / "killed.yaml").write_text(to_yaml(config))
    words = [sys.executable, "-c", KILLED_AFTER_STEP_3, str(folder / "killed.yaml")]
    done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def test_a_killed_run_goes_on_and_ends_with_the_same_weights_bit_for_bit(tmp_path: Path, small_run: Make) -> None:
    trainer = {"max_steps": 5, "lr_scheduler_type": "cosine"}
    run_sft(small_run(tmp_path / "whole", trainer=trainer))
    run_and_kill(small_run(tmp_path / "killed", trainer=trainer), tmp_path)
    assert not (tmp_path / "killed" / "model").exists()
    assert [row["step"] for row in read_jsonl(tmp_path / "killed" / "metrics.jsonl")] == [1, 2, 3]
    assert [path.name for path in (tmp_path / "killed" / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]

    run_sft(small_run(tmp_path / "killed", trainer=trainer, resume=True))
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = [read_jsonl(tmp_path / name / "metrics.jsonl") for name in ("whole", "killed")]
    assert [(row["step"], row.get("loss")) for row in rows[0]] == [(row["step"], row.get("loss")) for row in rows[1]]
    probes = [read_jsonl(tmp_path / name / "episodes.jsonl") for name in ("whole", "killed")]
    assert [row["step"] for row in probes[0]] == [row["step"] for row in probes[1]] == [0, 2, 4, 5]
    texts = [[[turn["text"] for turn in row["turns"]] for row in rows] for rows in probes]
    assert texts[0] == texts[1]


def test_an_adapter_goes_on_from_its_checkpoint_too(tmp_path: Path, small_run: Make, blank_folder: Path) -> None:
    start = ModelConfig(path=str(blank_folder), lora=LoraSettings(enabled=True, rank=4), device="cpu")
    trainer = {"max_steps": 4, "save_total_limit": 5, "learning_rate": 1e-2}
    run_sft(small_run(tmp_path, model=start, trainer=trainer))
    whole = load_file(tmp_path / "model" / "adapter_model.safetensors")
    shutil.rmtree(tmp_path / "checkpoints" / "checkpoint-4")
    run_sft(small_run(tmp_path, model=start, trainer=trainer, resume=True))
    resumed = load_file(tmp_path / "model" / "adapter_model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    moved = load_file(tmp_path / "checkpoints" / "checkpoint-2" / "adapter_model.safetensors")
    assert not any(torch.equal(whole[name], moved[name]) for name in whole)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path, small_run: Make) -> None:
    run_sft(small_run(tmp_path))
    before, rows = weights(tmp_path), read_jsonl(tmp_path / "episodes.jsonl")
    run_sft(small_run(tmp_path, resume=True))
    after = weights(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert read_jsonl(tmp_path / "episodes.jsonl") == rows


def test_a_checkpoint_that_was_cut_short_is_passed_over(tmp_path: Path, small_run: Make) -> None:
    trainer = {"max_steps": 4, "save_total_limit": 5}
    run_sft(small_run(tmp_path, trainer=trainer))
    whole = weights(tmp_path)
    (tmp_path / "checkpoints" / "checkpoint-4" / "trainer_state.json").unlink()
    (tmp_path / "checkpoints" / "checkpoint-4" / "optimizer.pt").write_bytes(b"half of")
    run_sft(small_run(tmp_path, trainer=trainer, resume=True))
    resumed = weights(tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_cannot_go_on_with_other_settings(tmp_path: Path, small_run: Make) -> None:
    (tmp_path / "environment.json").write_text('{"data_sha256": {}, "start_sha256": {}}')
    (tmp_path / "config.yaml").write_text(to_yaml(small_run(tmp_path, seed=7)))
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ConfigError, match="seed was 7, is 1"):
        run_sft(small_run(tmp_path, resume=True))
