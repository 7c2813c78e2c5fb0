"""Ours and the stock trainer on the same works, one after the other in one run, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from loupe.core.environment import environment
from loupe.core.errors import ModelError
from loupe.core.files import write_json
from loupe.grpo.benchmark.flops import matmul_speed, step_flops
from loupe.grpo.benchmark.work import BenchWork, make_model

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Compared:
    """One work: what `worker` measured of each trainer, by name, and the bound in seconds."""

    work: BenchWork
    measured: dict[str, dict[str, Any]]
    bound: float

    @property
    def title(self) -> str:
        """What sets the work apart, in a few words: tokens of the prompt, and what else there is."""
        parts = {"crop": self.work.zoom, "checkpointing": self.work.checkpointing}
        return " + ".join([str(self.work.prompt), *(name for name, there in parts.items() if there)])

    @property
    def ratio(self) -> float:
        """How many times as long as ours the stock trainer takes."""
        return self.measured["stock"]["seconds"] / self.measured["ours"]["seconds"]


def compare(
    works: Sequence[BenchWork],
    *,
    trainers: Sequence[str] = ("ours", "stock"),
    progress: Progress | None = None,
    keep: Callable[[Sequence[Compared]], Any] | None = None,
) -> list[Compared]:
    """Measure every work with every trainer; `keep` is given all that is measured so far after each work.

    Raises ModelError where one fails, with its last line.
    """
    made: list[Compared] = []
    with tempfile.TemporaryDirectory() as folder:
        speed = matmul_speed(device=works[0].device)
        for number, work in enumerate(works):
            path = _model(work, Path(folder))
            measured: dict[str, dict[str, Any]] = {}
            for place, trainer in enumerate(trainers):
                measured[trainer] = measure(work, trainer, path)
                if progress is not None:
                    progress(number * len(trainers) + place + 1, len(works) * len(trainers))
            made.append(Compared(work, measured, _flops(work, path) / speed))
            if keep is not None:
                keep(made)
    return made


BOTH = {"ours": "scoring: ours", "stock": "scoring: library"}


def compare_scoring(work: BenchWork, *, ways: Mapping[str, str] = BOTH, progress: Progress | None = None) -> Compared:
    """Batch scoring of `work.images` by some of `scoring.WAYS`, by the names that they get here. Raises ModelError."""
    with tempfile.TemporaryDirectory() as folder:
        path = _model(work, Path(folder))
        measured: dict[str, dict[str, Any]] = {}
        for place, (name, way) in enumerate(ways.items()):
            measured[name] = measure(work, way, path)
            if progress is not None:
                progress(place + 1, len(ways))
    return Compared(work, measured, float("nan"))


def write_json_report(made: Sequence[Compared], path: Path) -> None:
    """All numbers of a run, with what it ran on."""
    rows = [{"work": asdict(item.work), "bound": item.bound, "measured": _without_texts(item)} for item in made]
    write_json(path, {"environment": environment(), "works": rows})


def _without_texts(item: Compared) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in measured.items() if key not in ("work", "trainer", "written")}
        for name, measured in item.measured.items()
    }


def measure(work: BenchWork, trainer: str, folder: Path) -> dict[str, Any]:
    """What `worker` measures, in a process of its own. Raises ModelError with its last line where it fails."""
    asked = json.dumps({"work": asdict(work), "trainer": trainer, "folder": str(folder)})
    command = [sys.executable, "-m", "loupe.grpo.benchmark.worker", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ModelError(f"{trainer} failed on {work}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def _model(work: BenchWork, folder: Path) -> Path:
    path = folder / f"{work.size}-{work.width}x{work.height}"
    if not path.exists():
        make_model(work, path)
        if work.device != "cpu":
            # The trainers have processes of their own; what is cached here would be missing there.
            torch.cuda.empty_cache()
    return path


def _flops(work: BenchWork, folder: Path) -> float:
    config: Any = AutoConfig.from_pretrained(folder)
    visual = (work.width // 28) * (work.height // 28)
    crop = (work.width // 2 // 28) * (work.height // 2 // 28)
    return step_flops(config, work, image_tokens=visual, crop_tokens=crop, crop_words=16)
