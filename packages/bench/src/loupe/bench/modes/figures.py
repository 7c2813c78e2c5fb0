"""What every mode reaches and costs, and what the dearer ones have over the cheaper ones on the same images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from loupe.bench.correlate import Interval, correlations, interval_of, paired_difference
from loupe.bench.modes.mode import Mode
from loupe.bench.modes.play import Chunk
from loupe.bench.sampled import Judged, judged_images
from loupe.bench.verdicts import MID_SCALE


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """One mode over the `n` rated images: agreement of its ratings (unusable at mid-scale), images a second of
    processor time on this machine and as a share of the first mode's (with an interval over chunks), and the tokens
    that it wrote an image."""

    name: str
    words: str
    n: int
    unusable: int
    srcc: Interval
    plcc: Interval
    images_a_second: float
    speed: Interval
    tokens: float
    zoomed: float
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Agreement of the mode `a` less that of `b` on the same images; above zero is in favour of `a`."""

    a: str
    b: str
    srcc: Interval
    plcc: Interval


def figures(chunks: Sequence[Chunk], kinds: Sequence[Mode], *, n_boot: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Plain dict of what modes.json holds. Speed is relative to the first of `kinds`; differences are of every mode
    with the one before it, and with the first."""
    by_mode = {kind.name: [item for item in chunks if item.mode == kind.name] for kind in kinds}
    images = {name: _images(parts) for name, parts in by_mode.items()}
    rows = [
        _figures(kind, by_mode[kind.name], by_mode[kinds[0].name], images[kind.name], n_boot=n_boot, seed=seed)
        for kind in kinds
    ]
    names = [kind.name for kind in kinds]
    against = [(later, earlier) for earlier, later in pairwise(names)]
    against += [(name, names[0]) for name in names[2:]]
    return {
        "n": len(images[names[0]]),
        "references": len({item.group for item in images[names[0]]}),
        "modes": [asdict(row) for row in rows],
        "differences": [
            asdict(Difference(a, b, *_differences(images[a], images[b], n_boot=n_boot, seed=seed))) for a, b in against
        ],
        "front": front(rows),
    }


def front(rows: Sequence[ModeFigures]) -> list[str]:
    """Names of the modes that no other one beats in speed and in SRCC at once, the fastest first."""
    beaten = {
        row.name
        for row in rows
        for other in rows
        if other.speed.value >= row.speed.value
        and other.srcc.value >= row.srcc.value
        and (other.speed.value, other.srcc.value) != (row.speed.value, row.srcc.value)
    }
    return [row.name for row in sorted(rows, key=lambda row: -row.speed.value) if row.name not in beaten]


def _images(parts: Sequence[Chunk]) -> list[Judged]:
    """Images that somebody rated, in their order."""
    found = judged_images([row for part in parts for row in part.rows])
    return [item for item in found if np.isfinite(item.label)]


def _figures(
    kind: Mode,
    parts: Sequence[Chunk],
    base: Sequence[Chunk],
    images: Sequence[Judged],
    *,
    n_boot: int,
    seed: int,
) -> ModeFigures:
    found = correlations(
        _ratings(images), _labels(images), groups=[item.group for item in images], n_boot=n_boot, seed=seed
    )
    episodes = [row.episode for part in parts for row in part.rows]
    count, cpu = sum(part.images for part in parts), sum(part.cpu_seconds for part in parts)
    return ModeFigures(
        name=kind.name,
        words=kind.words,
        n=len(images),
        unusable=sum(item.rating is None for item in images),
        srcc=found.srcc,
        plcc=found.plcc,
        images_a_second=count / cpu if cpu else float("nan"),
        speed=_speed(parts, base, n_boot=n_boot, seed=seed),
        tokens=sum(turn.tokens for episode in episodes for turn in episode.turns) / count,
        zoomed=sum(episode.zoomed for episode in episodes) / len(episodes),
        cpu_seconds=cpu,
        wall_seconds=sum(part.wall_seconds for part in parts),
    )


def _speed(parts: Sequence[Chunk], base: Sequence[Chunk], *, n_boot: int, seed: int) -> Interval:
    """Processor time of the base over that of this mode, on the same chunks, which are what is drawn."""
    mine, theirs = (np.array([part.cpu_seconds for part in items]) for items in (parts, base))
    taken = np.random.default_rng(seed).multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=n_boot)
    values = (taken @ theirs) / (taken @ mine) if len(mine) > 1 else np.empty(0)
    return interval_of(float(theirs.sum() / mine.sum()), values)


def _differences(a: Sequence[Judged], b: Sequence[Judged], *, n_boot: int, seed: int) -> tuple[Interval, Interval]:
    groups, labels = [item.group for item in a], _labels(a)
    srcc, plcc = (
        paired_difference(_ratings(a), _ratings(b), labels, statistic=name, groups=groups, n_boot=n_boot, seed=seed)
        for name in ("srcc", "plcc")
    )
    return srcc, plcc


def _ratings(images: Sequence[Judged]) -> list[float]:
    return [MID_SCALE if item.rating is None else item.rating for item in images]


def _labels(images: Sequence[Judged]) -> list[float]:
    return [item.label for item in images]
