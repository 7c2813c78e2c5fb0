"""Treats the images of a split and measures each before and after, against its pristine image made again.

The pristine image is made out of the settings that the data folder's manifest holds. That it is the right one is not
taken on trust: each damaged image is made again with it, and has to equal the file pixel by pixel. One row an image is
appended as soon as it is measured, so that a killed run loses the image in hand.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loupe.core.errors import DataError
from loupe.core.files import append_jsonl, inside, read_jsonl
from loupe.core.images import open_image
from loupe.core.records import Sample
from loupe.data.degrade import Pixels
from loupe.data.measure import impairments, pooled, rating_of
from loupe.data.remedies.apply import NOTHING, Treatment, treat
from loupe.data.remedies.fidelity import psnr, ssim
from loupe.data.synth_plan import Task
from loupe.data.synth_unit import Remade, recorded_tasks, remake

Figures = dict[str, float | None]
"""rating (1..5) and, where they were asked for, psnr in dB (None for an image equal to its pristine one) and ssim."""
Wanted = Callable[[Sample], Mapping[str, Sequence[Treatment]]]


class Originals:
    """The pristine images of a split, made again one at a time; the last one is kept, for images come in its order."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._tasks = folder, recorded_tasks(folder, split)
        self._last: tuple[Task, Remade] | None = None

    def pair(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """The pristine image and the damaged one, (H, W, 3) each.

        Raises DataError where the file is not what the settings make: its pristine image would not be the right one.
        """
        if sample.id not in self._tasks:
            raise DataError(f"{sample.id}: not in the plan of {self._folder}/manifest.json; wanted images made by it")
        task, version = self._tasks[sample.id]
        if self._last is None or self._last[0] is not task:
            self._last = (task, remake(task))
        made = self._last[1]
        damaged = np.asarray(open_image(inside(self._folder, sample.image)), np.uint8)
        if sample.ref_id != task.ref_id or not np.array_equal(damaged, made.versions[version][1]):
            raise DataError(
                f"{sample.image} is not what the settings of {self._folder} make here, so that its pristine image is "
                "not known; make the folder again with `loupe data synth`"
            )
        return made.pristine, damaged


def measure_split(
    samples: Sequence[Sample],
    wanted: Wanted,
    *,
    originals: Originals,
    path: Path,
    ratings_only: bool,
    progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Rows {id, group, class, before, after} in the order of the samples; `after` has a list of figures an arm.

    What `path` already holds is not measured again. Raises DataError, ImageError, MissingFileError.
    """
    rows = {row["id"]: row for row in read_jsonl(path)} if path.is_file() else {}
    for number, sample in enumerate(samples, start=1):
        if sample.id not in rows:
            pristine, damaged = originals.pair(sample)
            rows[sample.id] = _row(sample, wanted(sample), pair=(pristine, damaged), ratings_only=ratings_only)
            append_jsonl(path, rows[sample.id])
        progress(number)
    return [rows[sample.id] for sample in samples]


def figures(pristine: Pixels, image: Pixels, *, ratings_only: bool = False) -> Figures:
    """How close an image is to its pristine one; higher is better in all of them."""
    found: Figures = {"rating": rating_of(pooled(impairments(pristine, image)))}
    if not ratings_only:
        ratio = psnr(pristine, image)
        found |= {"psnr": ratio if math.isfinite(ratio) else None, "ssim": ssim(pristine, image)}
    return found


def _row(
    sample: Sample, arms: Mapping[str, Sequence[Treatment]], *, pair: tuple[Pixels, Pixels], ratings_only: bool
) -> dict[str, Any]:
    pristine, damaged = pair
    # Arms often agree: the same treatment is measured once.
    known: dict[Treatment, Figures] = {NOTHING: figures(pristine, damaged, ratings_only=ratings_only)}
    for treatment in {item for items in arms.values() for item in items} - {NOTHING}:
        known[treatment] = figures(pristine, treat(damaged, treatment), ratings_only=ratings_only)
    truth = sample.degradation
    return {
        "id": sample.id,
        "group": sample.group,
        "class": (truth.distortion_class if truth else None) or "clean",
        "before": known[NOTHING],
        "after": {name: [known[item] for item in items] for name, items in arms.items()},
    }
