"""Two processes, started by accelerate on the CPU, learn what one process learns."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from loupe.core.config import to_yaml
from loupe.core.files import read_jsonl
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig

Scripted = Callable[..., Any]
SCRIPT = Path(__file__).with_name("two_processes.py")
# The one flag that makes accelerate 1.15 start several processes; with --cpu it starts one and says nothing.
LAUNCH = ["--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
PLAIN = {"num_iterations": 2, "max_steps": 2, "optim": "sgd", "learning_rate": 3e-2, "max_grad_norm": 0.0}
COVERAGE = CoverageConfig(coefficient=2.0, fraction=0.05)
HALVES = {"per_device_train_batch_size": 8}
QUARTERS = {"per_device_train_batch_size": 4, "steps_per_generation": 2, "gradient_accumulation_steps": 2}
ODD = {"per_device_train_batch_size": 6, "max_steps": 1}
"""Twelve rollouts of three images: the second image has two rollouts in each process."""
CASES: dict[str, dict[str, Any]] = {
    "old": {"coverage": COVERAGE, "trainer": PLAIN | HALVES},
    "reference": {"coverage": replace(COVERAGE, target="reference"), "trainer": PLAIN | QUARTERS},
    "odd": {"trainer": PLAIN | ODD},
}


@pytest.fixture(scope="module")
def launched(small_run: Callable[..., GrpoConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folders of all cases, each made by two processes."""
    folder = tmp_path_factory.mktemp("two")
    for name, fields in CASES.items():
        (folder / f"{name}.yaml").write_text(to_yaml(small_run(folder / name, **fields)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH, f"--main_process_port={port}", str(SCRIPT)]
    words += [str(folder / f"{name}.yaml") for name in CASES]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def seen(folder: Path) -> list[dict[str, Any]]:
    """What each of the two processes saw."""
    made = [torch.load(folder / f"seen-{rank}.pt") for rank in (0, 1)]
    assert [item["processes"] for item in made] == [2, 2]
    return made


def chosen(*processes: Any) -> dict[int, dict[int, list[int]]]:
    """Columns that were chosen, by update and number of the rollout."""
    made: dict[int, dict[int, list[int]]] = {}
    for update, places in (pair for process in processes for pair in process):
        made.setdefault(update, {}).update(places)
    return made


def in_one_process(scripted: Scripted, name: str) -> Any:
    """The same case in one process that takes all of an update at once."""
    fields = CASES[name]
    rest = {key: value for key, value in fields["trainer"].items() if key not in QUARTERS}
    size = 12 if name == "odd" else 16
    return scripted(**fields | {"trainer": {**rest, "per_device_train_batch_size": size}})


@pytest.mark.parametrize("name", CASES)
def test_two_processes_choose_the_same_tokens_earn_the_same_and_learn_the_same(
    launched: Path, scripted: Scripted, name: str
) -> None:
    one, two = in_one_process(scripted, name), seen(launched / name)
    assert chosen(*(process["chosen"] for process in two)) == chosen(one.chosen)
    assert bool(one.chosen) == (name != "odd")
    for update, wanted in enumerate(one.gradients):
        whole = torch.stack([grad.norm() for grad in wanted.values()]).norm()
        for process in two:
            assert process["gradients"][update].keys() == wanted.keys()
            for key, grad in wanted.items():
                assert (process["gradients"][update][key] - grad).norm() <= 1e-5 * whole, key
    rows = read_jsonl(launched / name / "rewards.jsonl")
    assert rows == read_jsonl(one.work.run.path / "rewards.jsonl")
    assert len({row["rank"] for row in rows}) > 3
    assert read_jsonl(launched / name / "draws.jsonl") == read_jsonl(one.work.run.path / "draws.jsonl")


def test_the_first_process_alone_writes_the_run_folder(launched: Path) -> None:
    folder = launched / "old"
    assert {path.name for path in folder.iterdir()} >= {"config.yaml", "environment.json", "model"}
    assert [row["step"] for row in read_jsonl(folder / "metrics.jsonl") if "reward" in row] == [1]
    assert [row["step"] for row in read_jsonl(folder / "metrics.jsonl") if "loss" in row] == [1, 2]
