"""What a synthesis is to make: its settings, and one task for each pristine image.

A task is fully determined by the settings and its number, so that any number of processes make the same files. The
splits are made here, before any image is: by pristine image, and by photograph where photographs are used.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loupe.core.errors import ConfigError
from loupe.data.photos import list_photos

SPLITS = ("train", "val", "test")


@dataclass
class SynthConfig:
    """What `loupe data synth` makes."""

    out: str = "data/pocket"
    """Folder to write; it may hold an interrupted run with the same settings."""
    name: str = "synthetic"
    """Name of the data set, written into every row."""
    photos: str = ""
    """Folder of photographs to take pristine windows from; empty for dead leaves only."""
    photo_share: float = 1.0
    """Share of pristine images that are windows of photographs, where `photos` is given."""
    train: int = 400
    """Pristine images of the training split."""
    val: int = 25
    """Pristine images of the validation split."""
    test: int = 125
    """Pristine images of the test split, never seen in training."""
    versions: int = 8
    """Degraded versions of each pristine image."""
    size: int = 224
    """Side of an image in pixels."""
    clean_share: float = 0.08
    """Share of versions that are left clean."""
    local_share: float = 0.65
    """Share of the degraded versions that are damaged in one region only."""
    rationales: bool = True
    """Whether to write grounded rationales for the splits `train` and `val`."""
    seed: int = 0
    """Seed of everything; another seed gives other pristine images too."""
    workers: int = 0
    """Processes; 0 takes one for each processor."""

    def check(self) -> None:
        """Raises ConfigError for settings that cannot be met."""
        for name in ("photo_share", "clean_share", "local_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)}; wanted a share between 0 and 1")
        least = {"train": 0, "val": 0, "test": 0, "versions": 1, "size": 56, "seed": 0, "workers": 0}
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise ConfigError(f"{name}={getattr(self, name)}; wanted at least {limit}")
        if self.train + self.val + self.test == 0:
            raise ConfigError("train, val and test are all 0; ask for at least one pristine image")
        if self.photos and Path(self.out).resolve().is_relative_to(Path(self.photos).resolve()):
            raise ConfigError(
                f"out={self.out} lies in photos={self.photos}, whose pictures are read; give another `out`"
            )


@dataclass(frozen=True, slots=True)
class Task:
    """One pristine image to make, with all its versions; `photo` is None where it is made of dead leaves."""

    split: str
    number: int
    photo: Path | None
    config: SynthConfig

    @property
    def ref_id(self) -> str:
        """Name of the pristine image: the photograph's path below its folder, or one for these dead leaves."""
        if self.photo is None:
            return f"leaves-{self.split}-{self.number:05d}"
        return self.photo.relative_to(self.config.photos).as_posix()


def plan(config: SynthConfig) -> list[Task]:
    """All tasks, split by split. Raises ConfigError, MissingFileError, DataError where the photographs do not do."""
    config.check()
    dealt = _photos_of(config) if config.photos else {}
    tasks: list[Task] = []
    for split in SPLITS:
        mine = dealt.get(split, [])
        for number in range(_wanted(config, split)):
            rng = np.random.default_rng([config.seed, SPLITS.index(split), number, 1])
            use_photo = bool(mine) and rng.random() < config.photo_share
            tasks.append(Task(split, number, mine[number % len(mine)] if use_photo else None, config))
    return tasks


def deal(count: int, wanted: Sequence[int]) -> list[int]:
    """How many of `count` photographs each split gets: in proportion to the images wanted, at least one where any are.

    Raises ConfigError where there are fewer photographs than splits that want images.
    """
    shares = np.array(wanted, float)
    if count < np.count_nonzero(shares):
        raise ConfigError(f"{count} photographs for {np.count_nonzero(shares)} splits; give at least one for each")
    counts = np.maximum(np.floor(count * shares / shares.sum()), shares > 0).astype(int)
    counts[np.argmax(counts)] += count - counts.sum()
    return counts.tolist()


def photo_list_hash(config: SynthConfig) -> str | None:
    """First 16 hex digits of the SHA-256 over the photographs' names; None without photographs.

    A photograph that comes or goes deals all of them anew, and one already used for training could land in the test.
    """
    if not config.photos:
        return None
    root = Path(config.photos)
    names = "\n".join(path.relative_to(root).as_posix() for path in list_photos(root))
    return hashlib.sha256(names.encode("utf-8", errors="surrogateescape")).hexdigest()[:16]


def _photos_of(config: SynthConfig) -> dict[str, list[Path]]:
    """The photographs of each split; none is in two."""
    photos = list_photos(Path(config.photos))
    photos = [photos[int(i)] for i in np.random.default_rng(config.seed).permutation(len(photos))]
    counts = deal(len(photos), [_wanted(config, split) for split in SPLITS])
    ends = np.cumsum(counts).tolist()
    return {split: photos[end - count : end] for split, count, end in zip(SPLITS, counts, ends, strict=True)}


def _wanted(config: SynthConfig, split: str) -> int:
    return {"train": config.train, "val": config.val, "test": config.test}[split]
