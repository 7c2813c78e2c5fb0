"""From predictions to summary.json: the scores of each look, on all images and on the hard and easy ones, and what
zooming is worth, as paired differences between looks on the same images.

Leaves out where the predictions come from; `evaluate` adds the protocol block that says so.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loupe.bench.correlate import UNDEFINED, Interval, paired_difference
from loupe.bench.degradation_table import DegradationTable, degradation_table
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import class_hits, named
from loupe.bench.sampled import Sampled
from loupe.bench.scores import Scores, score
from loupe.bench.verdicts import EVERYTHING, expected_rating, verdict_of

BASELINE = "decided"
FILE = "summary.json"


@dataclass(frozen=True, slots=True)
class LookSummary:
    """Scores of one look on all samples, on those measured as hard, and on the easy ones; None where there are none.

    `degradation` is the table of what the damage of all samples was called, None where nobody was asked for it.
    """

    all: Scores
    hard: Scores | None
    easy: Scores | None
    degradation: DegradationTable | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """What zooming as decided has over another look on the `n` samples that both saw; above zero is in its favour.

    All NaN for what was not asked: agreement is over the rated samples, class accuracy over the labelled ones.
    """

    n: int
    srcc: Interval
    plcc: Interval
    class_accuracy: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything in summary.json. `gains[other][subset]` compares the decided look with another one, `sampled[look]`
    the mean of several judgements with the first one; it is empty where each image was judged once."""

    looks: dict[str, LookSummary]
    gains: dict[str, dict[str, Gain]]
    protocol: dict[str, Any]
    sampled: dict[str, Sampled] = field(default_factory=dict[str, Sampled])

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `loupe.core.files.write_json`, which writes NaN as null."""
        return asdict(self)


def summarise(
    predictions: Sequence[Prediction],
    *,
    protocol: dict[str, Any],
    asks: Sequence[str] = EVERYTHING,
    n_boot: int = 1000,
    seed: int = 0,
) -> Summary:
    """Scores of every look among `predictions`, and the gains of the decided look over each other one.

    `asks` are the keys that the protocol asked for; `protocol` is the block that says how it was played.
    """
    looks = {look: [item for item in predictions if item.look == look] for look in _names(predictions)}
    summaries = {look: _look(items, asks=asks, n_boot=n_boot, seed=seed) for look, items in looks.items()}
    others = [look for look in looks if look != BASELINE] if BASELINE in looks else []
    gains = {look: _gains(looks[BASELINE], looks[look], asks=asks, n_boot=n_boot, seed=seed) for look in others}
    return Summary(summaries, gains, protocol)


def paired_gain(
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    asks: Sequence[str] = EVERYTHING,
    n_boot: int = 1000,
    seed: int = 0,
) -> Gain:
    """Figures of `a` less those of `b` over the samples that both hold: expected ratings, failures at mid-scale."""
    theirs = {item.sample.id: item for item in b}
    pairs = [(item, theirs[item.sample.id]) for item in a if item.sample.id in theirs]
    ours, others = [first for first, _ in pairs], [second for _, second in pairs]
    rated = [pair for pair in pairs if math.isfinite(pair[0].sample.rating)] if "rating" in asks else []
    mos, groups = [first.sample.rating for first, _ in rated], [first.group for first, _ in rated]

    def of_ratings(statistic: str) -> Interval:
        if not rated:
            return UNDEFINED
        return paired_difference(
            _ratings([first for first, _ in rated]),
            _ratings([second for _, second in rated]),
            mos,
            statistic=statistic,
            groups=groups,
            n_boot=n_boot,
            seed=seed,
        )

    labelled = [row.group for row in named(ours, asks=asks)]
    hits = (class_hits(ours, asks=asks), class_hits(others, asks=asks))
    classes = paired_difference(*hits, None, statistic="mean", groups=labelled, n_boot=n_boot, seed=seed)
    return Gain(len(pairs), of_ratings("srcc"), of_ratings("plcc"), classes)


def _names(predictions: Sequence[Prediction]) -> list[str]:
    return list(dict.fromkeys(item.look for item in predictions))


def _look(items: Sequence[Prediction], *, asks: Sequence[str], n_boot: int, seed: int) -> LookSummary:
    hard, easy = _subset(items, hard=True), _subset(items, hard=False)
    return LookSummary(
        all=score(items, asks=asks, n_boot=n_boot, seed=seed),
        hard=score(hard, asks=asks, n_boot=n_boot, seed=seed) if hard else None,
        easy=score(easy, asks=asks, n_boot=n_boot, seed=seed) if easy else None,
        degradation=degradation_table(items, asks=asks, n_boot=n_boot, seed=seed),
    )


def _gains(
    ours: Sequence[Prediction], others: Sequence[Prediction], *, asks: Sequence[str], n_boot: int, seed: int
) -> dict[str, Gain]:
    gains = {"all": paired_gain(ours, others, asks=asks, n_boot=n_boot, seed=seed)}
    if hard := _subset(ours, hard=True):
        gains["hard"] = paired_gain(hard, others, asks=asks, n_boot=n_boot, seed=seed)
    return gains


def _subset(items: Sequence[Prediction], *, hard: bool) -> list[Prediction]:
    return [item for item in items if item.sample.hard is hard]


def _ratings(items: Sequence[Prediction]) -> list[float]:
    return [expected_rating(verdict_of(item.episode)) for item in items]
