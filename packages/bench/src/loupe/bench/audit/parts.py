"""What an audit plays: the evaluation itself, then parts of one seed each in folders of their own, all by `evaluate`.

A part is an ordinary evaluation folder, so it resumes, is traced and can be reported like any other. Looks that draw
nothing are played once; those that draw (random crops; every look at a temperature above 0) once a seed, each seed in
another part, so that no two predictions of a file share a name. What the evaluation has played already is not played
again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loupe.bench.audit.config import AuditConfig
from loupe.bench.audit.late_policy import LatePolicy
from loupe.bench.audit.names import FOLDER
from loupe.bench.audit.sets import PRISTINE, SHALLOW
from loupe.bench.evaluate import EvaluateConfig, Progress, base_config, evaluate
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.zoom.look import Look

SPLIT = "split"
"""Name of the images of the evaluation, beside PRISTINE and SHALLOW."""
MADE = "data"
"""Data folder with the splits PRISTINE and SHALLOW, inside of the audit's."""
WANTED: Mapping[str, tuple[Look, ...]] = {
    SPLIT: (Look.DECIDED, Look.NEVER, Look.RANDOM, Look.TRUTH, Look.CENTRE, Look.WHOLE),
    PRISTINE: (Look.DECIDED, Look.NEVER, Look.FORCED),
    SHALLOW: (Look.DECIDED,),
}
"""Looks that each set of images is judged under."""
DRAWN = frozenset({Look.RANDOM, Look.FORCED})
"""Looks that draw boxes, also where the agent is greedy."""

Played = Mapping[tuple[str, str], list[list[Prediction]]]
"""By set and look: predictions (seeds, images), the images of a set in one order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One folder to play: looks at one set of images under one seed."""

    images: str
    seed: int
    looks: tuple[Look, ...]

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.images}-{self.seed}"


def plan(config: AuditConfig, sets: Sequence[str]) -> list[Part]:
    """Parts that have to be played beside the evaluation, for those of `WANTED` that `sets` names."""
    parts: list[Part] = []
    for images, looks in WANTED.items():
        for seed in _seeds(config) if images in sets else ():
            first = seed == config.seed
            there = config.looks if images == SPLIT and first else ()
            drawn = [look for look in looks if first or config.temperature > 0 or look in DRAWN]
            if left := tuple(look for look in drawn if look.value not in there):
                parts.append(Part(images, seed, left))
    return parts


def part_config(part: Part, config: AuditConfig) -> EvaluateConfig:
    """The settings of a part: those of the evaluation, but for what it shows, and without figures of its own."""
    folder = Path(config.out) / FOLDER
    looks = [look.value for look in part.looks]
    made = replace(base_config(config), out=str(folder / part.name), looks=looks, seed=part.seed, resume=True)
    made = replace(made, n_boot=0, trails=0)
    return made if part.images == SPLIT else replace(made, data=str(folder / MADE), split=part.images, limit=None)


def play_parts(
    parts: Sequence[Part], config: AuditConfig, *, policy: LatePolicy, sizes: Mapping[str, int], progress: Progress
) -> None:
    """Play what is missing of `parts`. `progress` counts episodes over all of them, `sizes` are the images of a set."""
    counts = [sizes[part.images] * len(part.looks) for part in parts]
    for index, part in enumerate(parts):
        before = sum(counts[:index])
        if index and part.images != parts[index - 1].images:
            policy.forget()
        evaluate(
            part_config(part, config),
            policy=policy,
            progress=lambda done, _, before=before: progress(before + done, sum(counts)),
        )
        progress(before + counts[index], sum(counts))


def collect(parts: Sequence[Part], config: AuditConfig) -> Played:
    """All predictions, those of the evaluation first: looks that were played once have one seed."""
    out = Path(config.out)
    found: dict[tuple[str, str], list[list[Prediction]]] = {}
    folders = [(SPLIT, config.looks, out), *((p.images, p.looks, out / FOLDER / p.name) for p in parts)]
    for images, looks, folder in folders:
        rows = read_predictions(folder / PREDICTIONS)
        for look in looks:
            latest = {row.sample.id: row for row in rows if row.look == str(look)}
            found.setdefault((images, str(look)), []).append([latest[id] for id in sorted(latest)])
    return found


def _seeds(config: AuditConfig) -> range:
    return range(config.seed, config.seed + config.seeds)
