"""Pairs of images to compare, from the opinions of a data folder: which one is better, or are they alike?

Q-Insight (arXiv 2503.22679, appendix B) trains comparison on such pairs, a fifth of them alike; its pairs are never
seen in the other order, so an agent that prefers a place is not found out. Here every pair comes in both orders. Pairs
are drawn inside one data set, for opinions of two data sets have no common scale, and where a reference is to be shown
beside them among the images that were made from it. How alike is alike is ours.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import check_target, write_jsonl
from loupe.core.records import CHOICES, Sample
from loupe.data.store import load_samples

BETTER_A, BETTER_B, ALIKE = CHOICES
Group = tuple[str, str]

TRIES = 200
"""Draws for each pair that is wanted, before too few count as none."""


@dataclass
class PairsConfig:
    """What `loupe data pairs` does: write a file of labelled pairs beside the samples that they are made of."""

    data: str = "data/pocket"
    """Data folder; pairs-SPLIT.jsonl is written into it."""
    split: str = "train"
    """Split whose images are paired."""
    count: int = 1000
    """Pairs; each is written in both orders, so the file has twice as many rows."""
    margin: float = 0.35
    """Two ratings on 1..5 that are less than this apart are alike."""
    alike_share: float = 0.2
    """Share of pairs that are alike, as in the pairs of Q-Insight."""
    same_reference: bool = False
    """Pair only images that were made from one reference file, which protocol compare-reference shows beside them."""
    seed: int = 0
    """Seed of the draw."""

    def __post_init__(self) -> None:
        if self.count < 1 or not self.margin > 0.0 or not 0.0 <= self.alike_share <= 1.0:
            raise ConfigError(f"got {self}; wanted count >= 1, margin > 0 and alike_share in 0..1")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples of one data set by their ids, and which of them is better: one of `loupe.core.records.CHOICES`.

    `reference` is the id of the sample that both were made from, None where there is none: then it is the file that
    both samples name as theirs, if they do.
    """

    image_a: str
    image_b: str
    choice: str
    dataset: str
    reference: str | None = None

    def swapped(self) -> "Pair":
        """The same pair in the other order."""
        turned = {BETTER_A: BETTER_B, BETTER_B: BETTER_A, ALIKE: ALIKE}[self.choice]
        return replace(self, image_a=self.image_b, image_b=self.image_a, choice=turned)

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)


def write_pairs(config: PairsConfig) -> Path:
    """Write pairs-SPLIT.jsonl into the data folder; returns its path. Raises LoupeError for what a user can mend."""
    path = Path(config.data) / f"pairs-{config.split}.jsonl"
    samples = load_samples(Path(config.data), config.split)
    check_target(path)
    write_jsonl(path, (pair.to_json() for pair in draw_pairs(samples, config)))
    return path


def draw_pairs(samples: Sequence[Sample], config: PairsConfig) -> list[Pair]:
    """`config.count` different pairs, each followed by itself in the other order.

    Raises DataError where the samples do not hold as many pairs of a kind as are wanted.
    """
    samples = [sample for sample in samples if math.isfinite(sample.rating)]
    mates = Counter(group for sample in samples if (group := _group(sample, config)) is not None)
    if config.count > (most := sum(size * (size - 1) // 2 for size in mates.values())):
        where = "among those of one reference" if config.same_reference else "inside their data sets"
        raise DataError(f"{len(samples)} images make {most} pairs {where}, {config.count} are wanted; ask for fewer")
    alike = round(config.count * config.alike_share)
    missing, found = {True: alike, False: config.count - alike}, dict[frozenset[str], Pair]()
    for pair in _candidates(samples, config):
        key, kind = frozenset((pair.image_a, pair.image_b)), pair.choice == ALIKE
        if key not in found and missing[kind]:
            found[key] = pair
            missing[kind] -= 1
        if len(found) == config.count:
            return [order for drawn in found.values() for order in (drawn, drawn.swapped())]
    raise DataError(
        f"{len(samples)} images hold too few pairs: {missing[True]} that are alike and {missing[False]} that are not "
        "are missing; ask for fewer, or change margin or alike_share"
    )


def _candidates(samples: Sequence[Sample], config: PairsConfig) -> Iterator[Pair]:
    """Pairs as chance brings them, of an image with another of its data set: a bounded number of tries, so it ends."""
    rng, groups = Random(config.seed), dict[Group | None, list[Sample]]()
    for sample in samples:
        groups.setdefault(_group(sample, config), []).append(sample)
    groups.pop(None, None)
    for _ in range(TRIES * config.count if samples else 0):
        mates = groups.get(_group(rng.choice(samples), config), ())
        if len(mates) > 1:
            yield _pair(*rng.sample(mates, 2), margin=config.margin)


def _group(sample: Sample, config: PairsConfig) -> Group | None:
    """What the images of a pair have in common; None for an image that cannot be paired."""
    if not config.same_reference:
        return sample.dataset, ""
    return None if sample.reference is None else (sample.dataset, sample.reference)


def _pair(first: Sample, second: Sample, *, margin: float) -> Pair:
    gap = first.rating - second.rating
    choice = ALIKE if abs(gap) < margin else BETTER_A if gap > 0.0 else BETTER_B
    return Pair(first.id, second.id, choice, first.dataset)
