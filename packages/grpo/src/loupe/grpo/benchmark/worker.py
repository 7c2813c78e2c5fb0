"""One trainer on one work in a process of its own, so that peak memory is that trainer's: `python -m … JSON`.

Prints one line of JSON. The parent is `compare`.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from loupe.core.model.trainer_log import quiet_libraries, train_quietly
from loupe.grpo.benchmark import ours, scoring, stock
from loupe.grpo.benchmark.work import BenchWork
from loupe.grpo.benchmark.worker_parts import PARTS

BUILD: dict[str, Callable[[BenchWork, Path, Path], Any]] = {"ours": ours.build, "stock": stock.build}


def time_steps(work: BenchWork, trainer: str, folder: Path) -> dict[str, Any]:
    """Median seconds of a step and of its parts, and peak memory in bytes, of one of `BUILD`."""
    with tempfile.TemporaryDirectory() as out, quiet_libraries():
        built = BUILD[trainer](work, folder, Path(out))
        clock = _Clock()
        built.add_callback(clock)
        train_quietly(built, checkpoint=None)
    logged = [row for row in built.state.log_history if "step_time" in row][work.warmup :]
    parts = {part: statistics.median(row.get(f"seconds/{part}", 0.0) for row in logged) for part in PARTS}
    seconds = statistics.median(clock.steps[work.warmup :])
    return {"seconds": seconds, "parts": parts, "peak_bytes": _peak(work), "steps": len(logged)}


class _Clock(TrainerCallback):
    """Wall time of each step, optimizer included."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._started = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.steps.append(time.perf_counter() - self._started)


def _peak(work: BenchWork) -> int:
    if work.device != "cpu":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Read {"work", "trainer", "folder"} from the first argument; `trainer` may also be a way of scoring."""
    asked = json.loads(sys.argv[1])
    work, folder = BenchWork(**asked["work"]), Path(asked["folder"])
    if asked["trainer"] in scoring.WAYS:
        made = scoring.time_scoring(work, asked["trainer"], folder)
    else:
        made = time_steps(work, asked["trainer"], folder)
    sys.stdout.write(json.dumps({"work": asdict(work), "trainer": asked["trainer"], **made}) + "\n")


if __name__ == "__main__":
    main()
