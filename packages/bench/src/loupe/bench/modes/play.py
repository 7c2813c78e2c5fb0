"""Playing the same images in every mode, one after the other on the same chunk, with a clock on each.

The clock is the processor time of this process, so other work on the machine delays a run and does not change what it
says; for one core, start with one thread (OMP_NUM_THREADS=1). Opening the files is not timed: all modes need it alike.
Every mode gets copies of the images, or the first would cut them into patches for all. Which mode begins moves on from
chunk to chunk, and nothing is timed before every mode has played once. Each chunk of each mode is a row of
played.jsonl, written when it is done.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loupe.bench.agent import Agents
from loupe.bench.fast import fast_episodes
from loupe.bench.modes.mode import Mode
from loupe.bench.playing import sample_inputs
from loupe.bench.predictions import FAST, Prediction
from loupe.bench.row_file import read_rows
from loupe.core.files import append_jsonl
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

FILE = "played.jsonl"
WARM_UP = 4
"""Images that every mode plays before anything is timed."""
Progress = Callable[[int, int, str], None]
"""Called with the images that are done, the images there are over all modes, and the mode at work."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one mode made of the images from number `start` on: seconds of processor and of wall, and all attempts."""

    mode: str
    start: int
    images: int
    cpu_seconds: float
    wall_seconds: float
    rows: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """What is played: samples of a data folder, with this protocol and seed, so many at a time."""

    samples: Sequence[Sample]
    data: Path
    protocol: Protocol
    seed: int
    chunk: int


def play_modes(
    agents: Agents, kinds: Sequence[Mode], stage: Stage, *, path: Path, progress: Progress | None = None
) -> list[Chunk]:
    """All chunks of all modes; what `path` holds is not played again. Raises ImageError, DataError, ModelError."""
    there = {(item.mode, item.start): item for item in read_chunks(path)} if path.is_file() else {}
    total, done, warm = len(stage.samples) * len(kinds), sum(item.images for item in there.values()), False
    for number, start in enumerate(range(0, len(stage.samples), stage.chunk)):
        order = [kinds[(number + place) % len(kinds)] for place in range(len(kinds))]
        missing = [kind for kind in order if (kind.name, start) not in there]
        samples = stage.samples[start : start + stage.chunk]
        inputs = list(sample_inputs(samples, stage.data).values()) if missing else []
        if missing and not warm:
            for kind in kinds:
                _play(agents, kind, _copies(inputs[:WARM_UP]), stage)
            warm = True
        for kind in missing:
            made = _timed(agents, kind, samples, _copies(inputs), stage=stage, start=start)
            append_jsonl(path, _to_json(made))
            there[kind.name, start] = made
            done += made.images
            if progress is not None:
                progress(done, total, kind.words)
    return [there[kind.name, start] for kind in kinds for start in range(0, len(stage.samples), stage.chunk)]


def read_chunks(path: Path) -> list[Chunk]:
    """The rows of played.jsonl. Raises MissingFileError, and DataError for a row of another form."""
    return read_rows(path, _chunk, what="chunk of a mode", advice="remove the file, or choose another out")


def _timed(
    agents: Agents, kind: Mode, samples: Sequence[Sample], inputs: Sequence[LoopInput], *, stage: Stage, start: int
) -> Chunk:
    wall, cpu = time.perf_counter(), time.process_time()
    attempts = _play(agents, kind, inputs, stage)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    rows = [
        Prediction(sample, kind.look, episode, number)
        for number, episodes in enumerate(attempts)
        for sample, episode in zip(samples, episodes, strict=True)
    ]
    return Chunk(kind.name, start, len(samples), cpu, wall, tuple(rows))


def _play(agents: Agents, kind: Mode, inputs: Sequence[LoopInput], stage: Stage) -> list[list[Episode]]:
    """Episodes (attempts, images)."""
    if kind.look == FAST:
        return [fast_episodes(agents.rater, inputs, stage.protocol)]
    look = Look(kind.look)
    first = play(agents.greedy, inputs, stage.protocol, look=look, seed=stage.seed)
    made = [[item.episode for item in first]]
    if kind.attempts > 1:
        again = [
            replace(source, key=f"{source.sample_id}#{number}")
            for source in inputs
            for number in range(1, kind.attempts)
        ]
        drawn = [item.episode for item in play(agents.drawing, again, stage.protocol, look=look, seed=stage.seed)]
        made += [drawn[number :: kind.attempts - 1] for number in range(kind.attempts - 1)]
    return made


def _copies(inputs: Sequence[LoopInput]) -> list[LoopInput]:
    return [replace(source, image=source.image.copy()) for source in inputs]


def _to_json(chunk: Chunk) -> dict[str, Any]:
    plain = {name: getattr(chunk, name) for name in ("mode", "start", "images", "cpu_seconds", "wall_seconds")}
    return {**plain, "rows": [row.to_json() for row in chunk.rows]}


def _chunk(row: dict[str, Any]) -> Chunk:
    plain: dict[str, Any] = {**row, "rows": tuple(Prediction.from_json(item) for item in row["rows"])}
    return Chunk(**plain)
