"""From predictions to summary.json: the scores of each look, on all images and on the hard and easy ones, and what
zooming is worth, as paired differences between looks on the same images.

Leaves out where the predictions come from; `evaluate` adds the protocol block that says so.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loupe.bench.correlate import Interval, paired_difference
from loupe.bench.predictions import Prediction
from loupe.bench.scores import Scores, class_hits, score
from loupe.bench.verdicts import expected_rating, verdict_of

BASELINE = "decided"
FILE = "summary.json"


@dataclass(frozen=True, slots=True)
class LookSummary:
    """Scores of one look on all samples, on those measured as hard, and on the easy ones; None where there are none."""

    all: Scores
    hard: Scores | None
    easy: Scores | None


@dataclass(frozen=True, slots=True)
class Gain:
    """What zooming as decided has over another look on the `n` samples that both saw; above zero is in its favour."""

    n: int
    srcc: Interval
    plcc: Interval
    class_accuracy: Interval


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything in summary.json. `gains[other][subset]` compares the decided look with another one."""

    looks: dict[str, LookSummary]
    gains: dict[str, dict[str, Gain]]
    protocol: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `loupe.core.files.write_json`, which writes NaN as null."""
        return asdict(self)


def summarise(
    predictions: Sequence[Prediction],
    *,
    protocol: dict[str, Any],
    n_boot: int = 1000,
    seed: int = 0,
) -> Summary:
    """Scores of every look among `predictions`, and the gains of the decided look over each other one."""
    looks = {look: [item for item in predictions if item.look == look] for look in _names(predictions)}
    summaries = {look: _look(items, n_boot=n_boot, seed=seed) for look, items in looks.items()}
    others = [look for look in looks if look != BASELINE] if BASELINE in looks else []
    gains = {look: _gains(looks[BASELINE], looks[look], n_boot=n_boot, seed=seed) for look in others}
    return Summary(summaries, gains, protocol)


def paired_gain(
    a: Sequence[Prediction],
    b: Sequence[Prediction],
    *,
    n_boot: int = 1000,
    seed: int = 0,
) -> Gain:
    """Figures of `a` less those of `b` over the samples that both hold: expected ratings, failures at mid-scale."""
    theirs = {item.sample.id: item for item in b}
    pairs = [(item, theirs[item.sample.id]) for item in a if item.sample.id in theirs]
    ours, others = [first for first, _ in pairs], [second for _, second in pairs]
    mos, groups = [item.sample.rating for item in ours], [item.group for item in ours]
    labelled = [item.group for item in ours if item.sample.degradation is not None]

    def of_ratings(statistic: str) -> Interval:
        return paired_difference(
            _ratings(ours),
            _ratings(others),
            mos,
            statistic=statistic,
            groups=groups,
            n_boot=n_boot,
            seed=seed,
        )

    hits = (class_hits(ours), class_hits(others))
    classes = paired_difference(*hits, None, statistic="mean", groups=labelled, n_boot=n_boot, seed=seed)
    return Gain(len(pairs), of_ratings("srcc"), of_ratings("plcc"), classes)


def _names(predictions: Sequence[Prediction]) -> list[str]:
    return list(dict.fromkeys(item.look for item in predictions))


def _look(items: Sequence[Prediction], *, n_boot: int, seed: int) -> LookSummary:
    hard, easy = _subset(items, hard=True), _subset(items, hard=False)
    return LookSummary(
        all=score(items, n_boot=n_boot, seed=seed),
        hard=score(hard, n_boot=n_boot, seed=seed) if hard else None,
        easy=score(easy, n_boot=n_boot, seed=seed) if easy else None,
    )


def _gains(ours: Sequence[Prediction], others: Sequence[Prediction], *, n_boot: int, seed: int) -> dict[str, Gain]:
    gains = {"all": paired_gain(ours, others, n_boot=n_boot, seed=seed)}
    if hard := _subset(ours, hard=True):
        gains["hard"] = paired_gain(hard, others, n_boot=n_boot, seed=seed)
    return gains


def _subset(items: Sequence[Prediction], *, hard: bool) -> list[Prediction]:
    return [item for item in items if item.sample.hard is hard]


def _ratings(items: Sequence[Prediction]) -> list[float]:
    return [expected_rating(verdict_of(item.episode)) for item in items]
