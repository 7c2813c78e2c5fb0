"""What a training run leaves behind: numbers at every log, and the same few images over time."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from loupe.core.files import read_jsonl
from loupe.core.model.trainer_log import RunLogCallback
from loupe.core.runs import RunFolder

ARGUMENTS = TrainingArguments(report_to="none", use_cpu=True)
CONTROL = TrainerControl()


def at(step: int, *, last: int = 10, main: bool = True) -> TrainerState:
    return TrainerState(global_step=step, max_steps=last, is_world_process_zero=main)


def probe(model: Any) -> Iterable[Mapping[str, Any]]:
    return [{"sample_id": f"{model}-{number}"} for number in range(2)]


def keeper(folder: Path, *, resumed: bool = False) -> RunLogCallback:
    return RunLogCallback(RunFolder(folder, resumed), probe, probe_every=4)


def steps_in(path: Path) -> list[int]:
    return [row["step"] for row in read_jsonl(path)] if path.is_file() else []


def test_a_row_holds_the_finite_numbers_alone(tmp_path: Path) -> None:
    logs = {"loss": 1.5, "tokens": 3, "bad": math.nan, "worse": math.inf, "word": "0.1"}
    keeper(tmp_path).on_log(ARGUMENTS, at(2), CONTROL, logs=logs)
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        {"step": 2, "loss": 1.5, "tokens": 3.0}
    ]


@pytest.mark.parametrize("logs", [None, {}])
def test_nothing_to_log_writes_no_row(tmp_path: Path, logs: Mapping[str, Any] | None) -> None:
    keeper(tmp_path).on_log(ARGUMENTS, at(2), CONTROL, logs=logs)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_episodes_are_played_before_the_first_step_every_so_often_and_after_the_last(tmp_path: Path) -> None:
    log = keeper(tmp_path)
    log.on_train_begin(ARGUMENTS, at(0), CONTROL, model="m")
    for step in range(1, 11):
        log.on_step_end(ARGUMENTS, at(step), CONTROL, model="m")
    assert steps_in(tmp_path / "episodes.jsonl") == [0, 0, 4, 4, 8, 8, 10, 10]
    assert read_jsonl(tmp_path / "episodes.jsonl")[1] == {"step": 0, "sample_id": "m-1"}


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    log = keeper(tmp_path, resumed=True)
    log.on_train_begin(ARGUMENTS, at(0, main=False), CONTROL, model="m")
    log.on_log(ARGUMENTS, at(2, main=False), CONTROL, logs={"loss": 1.0})
    log.on_step_end(ARGUMENTS, at(10, main=False), CONTROL, model="m")
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    log = keeper(tmp_path)
    log.on_train_begin(ARGUMENTS, at(0), CONTROL, model="m")
    for step in range(1, 7):
        log.on_step_end(ARGUMENTS, at(step), CONTROL, model="m")
        log.on_log(ARGUMENTS, at(step), CONTROL, logs={"loss": 1.0})
    keeper(tmp_path, resumed=True).on_train_begin(ARGUMENTS, at(3), CONTROL, model="m")
    assert steps_in(tmp_path / "metrics.jsonl") == [1, 2, 3]
    assert steps_in(tmp_path / "episodes.jsonl") == [0, 0]


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_its_log_again(tmp_path: Path) -> None:
    for resumed in (False, True):
        log = keeper(tmp_path, resumed=resumed)
        log.on_train_begin(ARGUMENTS, at(0), CONTROL, model="m")
        log.on_log(ARGUMENTS, at(1), CONTROL, logs={"loss": 1.0})
    assert steps_in(tmp_path / "episodes.jsonl") == [0, 0]
    assert steps_in(tmp_path / "metrics.jsonl") == [1]


def test_episodes_are_played_at_an_evaluation_too_and_once_a_step(tmp_path: Path) -> None:
    log = keeper(tmp_path)
    for step in range(1, 7):
        log.on_step_end(ARGUMENTS, at(step), CONTROL, model="m")
        if step % 2 == 0:
            log.on_evaluate(ARGUMENTS, at(step), CONTROL, model="m")
            log.on_evaluate(ARGUMENTS, at(step, main=False), CONTROL, model="m")
    assert steps_in(tmp_path / "episodes.jsonl") == [2, 2, 4, 4, 6, 6]
