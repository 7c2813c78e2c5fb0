"""The held-out loss: what it is, when it ends a run, which weights are kept, and that a kill changes none of it."""

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
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.files import read_json, read_jsonl
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import ModelConfig, load_model
from loupe.sft.best import is_over
from loupe.sft.collator import ExampleCollator
from loupe.sft.config import SftConfig
from loupe.sft.sources import load_examples
from loupe.sft.train import run_sft

Make = Callable[..., SftConfig]

KILLED = """
import os, signal, sys
from loupe.core.config import load_config
from loupe.core.model.trainer_log import RunLogCallback
from loupe.sft.config import SftConfig
from loupe.sft.train import run_sft

log = RunLogCallback.on_log

def log_and_die(self, args, state, control, logs=None, **kwargs):
    log(self, args, state, control, logs=logs, **kwargs)
    if state.global_step == int(sys.argv[2]) and sys.argv[3] in logs:
        os.kill(os.getpid(), signal.SIGKILL)

RunLogCallback.on_log = log_and_die
run_sft(load_config(SftConfig, sys.argv[1]))
"""
WORSE_AND_WORSE = {"learning_rate": 0.3, "save_steps": 1}
"""The blank model is near chance, and steps this large lead away from it."""


def losses(history: list[float]) -> list[dict[str, float]]:
    return [{"eval_loss": loss} for loss in history]


@pytest.mark.parametrize(
    ("history", "patience", "over"),
    [
        ([3, 2, 1], 1, False),
        ([3, 2, 2], 1, True),
        ([3, 2, 2.5], 2, False),
        ([3, 2, 2.5, 2.1], 2, True),
        ([3, 2, 2.5, 1.9], 2, False),
        ([3, 4, 5], 0, False),
        ([3], 1, False),
        ([float("nan"), float("nan")], 1, True),
        ([float("nan"), 2], 1, False),
    ],
)
def test_a_run_is_over_after_so_many_losses_that_are_no_lower(history: list[float], patience: int, over: bool) -> None:
    rows = [row for loss in losses(history) for row in ({"loss": 0.0}, loss)]
    assert is_over(rows, patience) is over


def test_the_held_out_loss_is_the_mean_over_held_out_tokens(tmp_path: Path, small_run: Make) -> None:
    config = small_run(
        tmp_path, eval_every=2, keep_best=False, trainer={"max_steps": 2, "per_device_eval_batch_size": 3}
    )
    folder = run_sft(config)
    (row,) = [row for row in read_jsonl(tmp_path / "metrics.jsonl") if "eval_loss" in row]
    model, processor = load_model(ModelConfig(path=str(folder), device="cpu"))
    (source,) = config.mix.values()
    examples = load_examples(source, "rationales", split="val")
    batch = ExampleCollator(examples, ChatEncoder(processor))([{"index": index} for index in range(len(examples))])
    with torch.no_grad():
        logits = model(**{name: batch[name] for name in batch if name not in ("labels", "rounds", "fields")}).logits
    wanted = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
    assert len(examples) == 4
    assert row["eval_loss"] == pytest.approx(wanted.item(), abs=1e-5)
    assert not (tmp_path / "best.json").exists()


def test_metrics_tell_looks_and_fields_apart_in_training_and_on_held_out_images(
    tmp_path: Path, small_run: Make
) -> None:
    run_sft(small_run(tmp_path, limit=0, eval_every=2, trainer={"max_steps": 4, "per_device_train_batch_size": 16}))
    rows = read_jsonl(tmp_path / "metrics.jsonl")
    trained = [row for row in rows if "loss" in row]
    held_out = [row for row in rows if "eval_loss" in row]
    assert [row["step"] for row in held_out] == [2, 4]
    for row in trained:
        assert {"loss_round1", "loss_round2", "rating_accuracy", "class_accuracy", "box_accuracy"} <= set(row)
        low, high = sorted((row["loss_round1"], row["loss_round2"]))
        assert low <= row["loss"] * (1 + 1e-5)
        assert row["loss"] <= high * (1 + 1e-5)
    for row in held_out:
        assert {"eval_loss_round1", "eval_rating_accuracy", "eval_class_accuracy", "eval_box_accuracy"} <= set(row)
    # The fixed images are looked at whenever the held-out loss is taken, and once a step.
    assert [row["step"] for row in read_jsonl(tmp_path / "episodes.jsonl")] == [0, 2, 4]


def test_the_best_weights_are_kept_and_the_folder_says_of_which_step(tmp_path: Path, small_run: Make) -> None:
    trainer = {**WORSE_AND_WORSE, "max_steps": 3}
    run_sft(small_run(tmp_path / "best", eval_every=1, trainer=trainer))
    run_sft(small_run(tmp_path / "last", eval_every=1, keep_best=False, trainer=trainer))
    found = [row for row in read_jsonl(tmp_path / "best" / "metrics.jsonl") if "eval_loss" in row]
    lowest = min(found, key=lambda row: row["eval_loss"])
    assert lowest["step"] < 3
    assert read_json(tmp_path / "best" / "best.json") == {
        "step": lowest["step"],
        "eval_loss": lowest["eval_loss"],
        "last_step": 3,
        "last_eval_loss": found[-1]["eval_loss"],
    }
    best, last = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("best", "last"))
    kept = load_file(tmp_path / "best" / "checkpoints" / f"checkpoint-{lowest['step']}" / "model.safetensors")
    assert all(torch.equal(best[name], kept[name]) for name in best)
    assert not all(torch.equal(best[name], last[name]) for name in best)
    # What a run that goes on needs is there too.
    assert {path.name for path in (tmp_path / "best" / "checkpoints").glob("checkpoint-*")} >= {"checkpoint-3"}


def test_a_run_that_gets_no_better_ends_early_and_stays_ended(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path, eval_every=1, patience=2, trainer={**WORSE_AND_WORSE, "max_steps": 50})
    run_sft(config)
    found = [row["eval_loss"] for row in read_jsonl(tmp_path / "metrics.jsonl") if "eval_loss" in row]
    best = found.index(min(found))
    assert len(found) == best + 3 < 50
    weights = load_file(tmp_path / "model" / "model.safetensors")
    rows = read_jsonl(tmp_path / "metrics.jsonl")
    config.resume = True
    run_sft(config)
    again = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert [row for row in read_jsonl(tmp_path / "metrics.jsonl") if "eval_loss" in row] == [
        row for row in rows if "eval_loss" in row
    ]


def run_and_kill(config: SftConfig, folder: Path, *, step: int, word: str) -> None:
    (folder / "killed.yaml").write_text(to_yaml(config))
    words = [sys.executable, "-c", KILLED, str(folder / "killed.yaml"), str(step), word]
    done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


@pytest.mark.parametrize(("step", "word"), [(3, "loss"), (4, "eval_loss")])
def test_a_killed_run_with_evaluations_ends_as_the_whole_one(
    tmp_path: Path, small_run: Make, step: int, word: str
) -> None:
    fields = {"eval_every": 2, "patience": 5, "trainer": {"max_steps": 6, "learning_rate": 0.05}}
    run_sft(small_run(tmp_path / "whole", **fields))
    run_and_kill(small_run(tmp_path / "killed", **fields), tmp_path, step=step, word=word)
    assert not (tmp_path / "killed" / "model").exists()
    # A run folder may be moved before it goes on.
    shutil.move(tmp_path / "killed", tmp_path / "moved")
    run_sft(small_run(tmp_path / "moved", **fields, resume=True))
    whole, resumed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "moved"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = [read_jsonl(tmp_path / name / "metrics.jsonl") for name in ("whole", "moved")]
    keys = ("step", "loss", "eval_loss", "loss_round1", "rating_accuracy", "eval_box_accuracy")
    assert [[row.get(key) for key in keys] for row in rows[0]] == [[row.get(key) for key in keys] for row in rows[1]]
    assert read_json(tmp_path / "whole" / "best.json") == read_json(tmp_path / "moved" / "best.json")
    said = [[(row["step"], row["turns"][0]["text"]) for row in read_jsonl(tmp_path / name / "episodes.jsonl")]
            for name in ("whole", "moved")]  # fmt: skip
    assert said[0] == said[1]


def test_evaluation_changes_no_weight_of_the_training(tmp_path: Path, small_run: Make) -> None:
    trainer = {"max_steps": 4, "save_steps": 2, "lr_scheduler_type": "cosine"}
    run_sft(small_run(tmp_path / "without", trainer=trainer))
    run_sft(small_run(tmp_path / "with", eval_every=2, keep_best=False, trainer=trainer))
    plain, evaluated = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("without", "with"))
    assert all(torch.equal(plain[name], evaluated[name]) for name in plain)


def test_a_best_checkpoint_that_is_gone_is_missed_and_not_replaced(tmp_path: Path, small_run: Make) -> None:
    config = small_run(tmp_path, eval_every=1, trainer={**WORSE_AND_WORSE, "max_steps": 3})
    run_sft(config)
    step = read_json(tmp_path / "best.json")["step"]
    shutil.rmtree(tmp_path / "checkpoints" / f"checkpoint-{step}")
    config.resume = True
    with pytest.raises(MissingFileError, match=f"checkpoint-{step} was the best checkpoint and is gone"):
        run_sft(config)


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ({"eval_steps": 4}, r"trainer\.eval_steps is set by this stage; use `eval_every`"),
        ({"load_best_model_at_end": True}, "use `keep_best`"),
        ({"packing": True}, "use `pack`"),
        ({"save_steps": 3}, "a number that divides 4"),
        ({"save_total_limit": 1}, "no room for the best checkpoint"),
        ({"save_strategy": "no"}, "each evaluation needs a checkpoint"),
    ],
)
def test_what_would_lose_the_best_weights_is_refused(
    tmp_path: Path, small_run: Make, trainer: dict[str, object], reason: str
) -> None:
    config = small_run(tmp_path / "run", eval_every=4, trainer={"save_steps": 2, **trainer})
    with pytest.raises(ConfigError, match=reason):
        run_sft(config)
    assert not (tmp_path / "run").exists()
