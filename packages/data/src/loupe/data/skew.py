"""A data folder whose training opinions crowd in the middle, as those of photographs do, made from one that is even.

Public data sets of photographs have few very bad and few very good images (in KonIQ-10k most opinions are near 3 to 4).
To see what re-sampling is worth there, one needs the same images with and without the crowd. Training images are kept
by a bell curve over their ratings, at least a small share of every rating; validation and test stay as they are. Ours.
"""

import math
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import inside, read_json, write_json, write_jsonl
from loupe.core.records import Sample
from loupe.data.store import load_samples

SPLITS = ("train", "val", "test")


@dataclass
class SkewConfig:
    """What `loupe data skew` does: write a folder with fewer training images of rare ratings."""

    data: str = "data/pocket"
    """Data folder to take the images from."""
    out: str = "data/pocket-skewed"
    """Folder to write; images are linked where the file system can, copied elsewhere."""
    centre: float = 3.5
    """Rating (1..5) that all images are kept at."""
    width: float = 0.35
    """Distance from there, in ratings, at which 61 % are kept (a standard deviation)."""
    floor: float = 0.02
    """Share that is kept at least, however far a rating is from the centre."""
    seed: int = 0
    """Seed of the draw."""

    def __post_init__(self) -> None:
        if not (1 <= self.centre <= 5 and self.width > 0 and 0 <= self.floor <= 1):
            raise ConfigError(f"got {self}; wanted a centre in 1..5, a width above 0 and a floor in 0..1")


def write_skewed(config: SkewConfig) -> Path:
    """Write the folder; returns it. Raises LoupeError for what a user can mend, a folder that exists among it."""
    source, out = Path(config.data), Path(config.out)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty; choose another out, or remove it")
    manifest = read_json(source / "manifest.json")
    kept = {split: load_samples(source, split) for split in SPLITS}
    kept["train"] = skewed(kept["train"], config)
    if not kept["train"]:
        raise DataError(f"{source} has no training image near {config.centre}; choose another centre or width")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for image in {sample.image for samples in kept.values() for sample in samples}:
        _link(inside(source, image), inside(part, image))
    for split, samples in kept.items():
        write_jsonl(part / f"{split}.jsonl", (sample.to_json() for sample in samples))
    counts = {split: {"images": len(samples)} for split, samples in kept.items()}
    write_json(part / "manifest.json", {"config": asdict(config), "splits": counts, "made_of": manifest})
    if out.is_dir():
        out.rmdir()
    part.rename(out)
    return out


def skewed(samples: list[Sample], config: SkewConfig) -> list[Sample]:
    """The samples that are kept, in their order; each by its own draw."""
    rng = Random(config.seed)
    return [sample for sample in samples if rng.random() < chance(sample.rating, config)]


def chance(rating: float, config: SkewConfig) -> float:
    """Share of images with this rating (1..5) that are kept."""
    return max(config.floor, math.exp(-(((rating - config.centre) / config.width) ** 2) / 2))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
