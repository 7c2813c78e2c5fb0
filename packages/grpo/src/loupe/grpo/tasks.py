"""What can be played: the rows of each task, a task being a question to the agent and a share of every step.

Q-Insight trains rating and degradation together, each on its own images. Here any mix of tasks takes part in one run:
a protocol says what a task asks, and what it asks decides what can be paid. A protocol that asks for a choice is played
over the pairs of a data folder (`loupe data pairs`), every other over its images; one that shows a third picture is
shown the one that both of a pair were made from.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_jsonl
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import CHOICES, Episode, Sample
from loupe.data.store import load_samples
from loupe.rewards.batch import Completion, comparison_of, completion_of
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.loop import LoopInput

UNRATED = 3.0
REFERENCE = "{image3}"
"""Where a protocol shows the picture that both of a pair were made from."""


@dataclass
class TaskConfig:
    """One task of a mix."""

    protocol: str = "zoom-brief"
    """Protocol by name or path; what it asks is what the task is paid for."""
    share: float = 1.0
    """Share of the images of a step, relative to the other tasks; equal shares are the default."""


@dataclass(frozen=True)
class Row:
    """What is drawn as one: an image, or a pair of images with the right choice between them; behind a pair may stand
    the image that both were made from."""

    task: str
    protocol: Protocol
    samples: tuple[Sample, ...]
    choice: str | None = None

    @property
    def id(self) -> str:
        """The image's id, or those of the pair."""
        return "|".join(sample.id for sample in self.samples)

    @property
    def rating(self) -> float:
        """Opinion on 1..5; of a pair the mean. The middle of the scale where nobody rated them, which makes no row of
        such a data set rarer than another."""
        rating = sum(sample.rating for sample in self.samples[:2]) / len(self.samples[:2])
        return rating if math.isfinite(rating) else UNRATED

    @property
    def dataset(self) -> str:
        """Data set that the images are from."""
        return self.samples[0].dataset

    def open(self, folder: Path) -> LoopInput:
        """The row as an input of the loop, its images read now. Raises MissingFileError, ImageError."""
        first, *others = loop_inputs(folder, self.samples)
        shown = tuple(other.image for other in others)
        return replace(first, key=self.id, sample_id=self.id, others=shown, protocol=self.protocol)

    def completion(self, episode: Episode) -> Completion:
        """What the rewards see of an episode over this row."""
        asks = tuple(self.protocol.asks)
        if self.choice is None:
            return completion_of(episode, self.samples[0], asks=asks)
        return comparison_of(episode, (self.samples[0], self.samples[1]), choice=self.choice, asks=asks)


def load_rows(folder: Path, tasks: dict[str, TaskConfig], *, limit: int = 0) -> list[Row]:
    """Rows of all tasks in a data folder's split `train`; of each task the first `limit` where that is not 0.

    Raises ConfigError, DataError, MissingFileError.
    """
    samples = load_samples(folder, "train")
    rows: list[Row] = []
    for name, task in tasks.items():
        protocol = load_protocol(task.protocol)
        made = (
            _pairs(folder, samples, name, protocol) if "choice" in protocol.asks else _images(samples, name, protocol)
        )
        rows += made[:limit] if limit else made
    return rows


def check_rank(rows: Sequence[Row], *, images: int) -> None:
    """Raises ConfigError where the rank reward could never compare two images of one data set in a step."""
    rated = Counter(row.dataset for row in rows if "rating" in row.protocol.asks)
    if rated and (images < 2 or max(rated.values()) < 2):
        raise ConfigError(
            f"the rank reward compares images of one data set within a step; a step has {images} images and the "
            f"largest data set {max(rated.values())}: give more of them, or set rewards.rank=0"
        )


def _images(samples: Sequence[Sample], name: str, protocol: Protocol) -> list[Row]:
    """A row an image; those that nobody rated take no part in a task that asks for a rating."""
    rated = "rating" in protocol.asks
    rows = [Row(name, protocol, (sample,)) for sample in samples if math.isfinite(sample.rating) or not rated]
    if samples and not rows:
        raise ConfigError(f"the task {name!r} asks for ratings and nobody rated these images; give it other images")
    return rows


def _pairs(folder: Path, samples: Sequence[Sample], name: str, protocol: Protocol) -> list[Row]:
    path, by_id = folder / "pairs-train.jsonl", {sample.id: sample for sample in samples}
    if not path.is_file():
        raise ConfigError(
            f"the task {name!r} compares images and {folder} has no pairs; make them with "
            f"`loupe data pairs data={folder}`"
        )
    rows: list[Row] = []
    for line, pair in enumerate(read_jsonl(path), 1):
        ids, choice = [str(pair.get(key)) for key in ("image_a", "image_b")], pair.get("choice")
        if choice not in CHOICES or any(item not in by_id for item in ids):
            raise DataError(
                f"{path}, line {line}: got {pair}; wanted two training images and one of {', '.join(CHOICES)}"
            )
        shown = tuple(by_id[item] for item in ids)
        if REFERENCE in protocol.question:
            shown = (*shown, _reference(pair, shown, by_id, where=f"{path}, line {line}"))
        rows.append(Row(name, protocol, shown, choice))
    return rows


def _reference(pair: dict[str, Any], shown: Sequence[Sample], by_id: dict[str, Sample], *, where: str) -> Sample:
    """The image that a pair names as its reference, or the file that both of its images have as theirs."""
    named = pair.get("reference")
    if named is not None and named in by_id:
        return by_id[named]
    first, second = shown
    if named is None and first.reference and first.reference == second.reference:
        return replace(first, id=first.reference, image=first.reference, degradation=None, rating=math.nan)
    raise DataError(
        f"{where}: the protocol shows a reference, and this pair's is {named!r}; wanted a training image, or images "
        "that name one file as theirs: draw such pairs with `loupe data pairs same_reference=true`"
    )
