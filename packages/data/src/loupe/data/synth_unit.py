"""The unit of work of a synthesis: one pristine image with all its degraded versions, labelled by measurement.

It runs in a process of its own and takes nothing from the outside but its task. Pristine images are not kept: `remake`
makes one again, with its versions, out of the settings that the manifest of a data folder holds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loupe.core.errors import DataError
from loupe.core.files import read_json, write_bytes_atomic
from loupe.core.records import Degradation, Sample
from loupe.data.degrade import Pixels, degrade, draw_degradation
from loupe.data.evidence import Evidence, measure_views
from loupe.data.photos import photo_window
from loupe.data.pristine import dead_leaves
from loupe.data.synth_plan import SPLITS, SynthConfig, Task, plan


def make_unit(task: Task) -> dict[str, Any]:
    """Write the pictures of a task; its split, number, samples and evidence as plain values.

    Raises DataError, ImageError for a photograph that cannot be used.
    """
    made = remake(task)
    rows = [_version(task, made, version=version) for version in range(task.config.versions)]
    return {
        "split": task.split,
        "number": task.number,
        "samples": [sample.to_json() for sample, _ in rows],
        "evidence": [evidence.to_json() for _, evidence in rows],
    }


@dataclass(frozen=True, slots=True)
class Remade:
    """A pristine image (H, W, 3) and its versions in order: what was done to each, and what came of it."""

    pristine: Pixels
    versions: tuple[tuple[Degradation, Pixels], ...]


def remake(task: Task) -> Remade:
    """The pictures of a task, the same at every call with the same library versions; nothing is written.

    Raises DataError, ImageError for a photograph that cannot be used.
    """
    config = task.config
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, SPLITS.index(task.split), task.number]))
    pristine_seed = int(rng.integers(2**62))
    if task.photo is None:
        pristine = dead_leaves(pristine_seed, size=config.size)
    else:
        pristine = photo_window(task.photo, pristine_seed, size=config.size)
    return Remade(pristine, tuple(_degraded(pristine, rng, config=config) for _ in range(config.versions)))


def recorded_tasks(folder: Path, split: str) -> dict[str, tuple[Task, int]]:
    """The task and the number of the version behind each sample id of a split that `loupe data synth` made.

    The settings are those of the folder's manifest. Raises MissingFileError, DataError where it is no such folder,
    ConfigError.
    """
    recorded = read_json(folder / "manifest.json").get("config")
    try:
        config = SynthConfig(**recorded) if isinstance(recorded, dict) else None  # pyright: ignore[reportUnknownArgumentType]
    except TypeError:
        config = None
    if config is None:
        raise DataError(f"{folder}/manifest.json holds no settings of `loupe data synth`; name a folder that it made")
    tasks = [task for task in plan(config) if task.split == split]
    return {sample_id(task, version): (task, version) for task in tasks for version in range(config.versions)}


def sample_id(task: Task, version: int) -> str:
    """Name of a version of a task's pristine image."""
    return f"{task.split}-{task.number:05d}-{version}"


def _degraded(pristine: Pixels, rng: np.random.Generator, *, config: SynthConfig) -> tuple[Degradation, Pixels]:
    degradation = draw_degradation(rng, clean_share=config.clean_share, local_share=config.local_share)
    return degradation, degrade(pristine, degradation, seed=int(rng.integers(2**62)))


def _version(task: Task, made: Remade, *, version: int) -> tuple[Sample, Evidence]:
    config, (degradation, degraded) = task.config, made.versions[version]
    id = sample_id(task, version)
    evidence = measure_views(id, made.pristine, degraded)
    image = f"images/{id}.png"
    _write_png(Path(config.out) / image, degraded)
    sample = Sample(
        id=id,
        image=image,
        dataset=config.name,
        split=task.split,
        rating=evidence.rating,
        mos=evidence.rating,
        ref_id=task.ref_id,
        degradation=degradation,
        hard=evidence.hard,
    )
    return sample, evidence


def _write_png(path: Path, image: Pixels) -> None:
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    write_bytes_atomic(path, data.tobytes())
