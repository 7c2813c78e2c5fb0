"""The unit of work of a synthesis: one pristine image with all its degraded versions, labelled by measurement.

It runs in a process of its own and takes nothing from the outside but its task.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loupe.core.files import write_bytes_atomic
from loupe.core.records import Sample
from loupe.data.degrade import Pixels, degrade, draw_degradation
from loupe.data.evidence import Evidence, measure_views
from loupe.data.photos import photo_window
from loupe.data.pristine import dead_leaves
from loupe.data.synth_plan import SPLITS, Task


def make_unit(task: Task) -> dict[str, Any]:
    """Write the pictures of a task; its split, number, samples and evidence as plain values.

    Raises DataError, ImageError for a photograph that cannot be used.
    """
    config = task.config
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, SPLITS.index(task.split), task.number]))
    pristine_seed = int(rng.integers(2**62))
    if task.photo is None:
        pristine = dead_leaves(pristine_seed, size=config.size)
    else:
        pristine = photo_window(task.photo, pristine_seed, size=config.size)
    rows = [_version(task, pristine, version=version, rng=rng) for version in range(config.versions)]
    return {
        "split": task.split,
        "number": task.number,
        "samples": [sample.to_json() for sample, _ in rows],
        "evidence": [evidence.to_json() for _, evidence in rows],
    }


def _version(task: Task, pristine: Pixels, *, version: int, rng: np.random.Generator) -> tuple[Sample, Evidence]:
    config = task.config
    degradation = draw_degradation(rng, clean_share=config.clean_share, local_share=config.local_share)
    degraded = degrade(pristine, degradation, seed=int(rng.integers(2**62)))
    id = f"{task.split}-{task.number:05d}-{version}"
    evidence = measure_views(id, pristine, degraded)
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
