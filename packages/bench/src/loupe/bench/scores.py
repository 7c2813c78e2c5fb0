"""All figures of one set of predictions under one look: agreement, recognition, and what the agent did with its zoom.

Unusable episodes count: in the main figures at mid-scale and as wrong, and beside them the same without them, so that
nobody has to wonder what was dropped. A severity is right only together with its class, as in Q-Insight (2025).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.correlate import (
    UNDEFINED,
    Correlations,
    Interval,
    correlations,
    mean_interval,
)
from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import (
    CLEAN,
    OTHER,
    UNUSABLE,
    expected_rating,
    said_class,
    true_class,
    verdict_of,
    written_rating,
)
from loupe.core.box import iou
from loupe.core.records import DISTORTION_CLASSES, Box, Turn, severity_word

TRUE_LABELS = (CLEAN, *DISTORTION_CLASSES)
SAID_LABELS = (*TRUE_LABELS, OTHER, UNUSABLE)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations of one kind of rating: over all episodes with failures at mid-scale, and over usable ones alone."""

    all: Correlations
    usable: Correlations


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the agent called the damage, over the `n` samples with such a label; shares in 0..1, higher is better.

    `class_accuracy` is over samples (micro), `class_accuracy_macro` the plain mean over true classes.
    `severity_accuracy` wants class and level. `confusion[true][said]` counts.
    """

    n: int
    class_accuracy: Interval
    class_accuracy_macro: float
    severity_accuracy: Interval
    confusion: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Zooming:
    """What came of the crops; shares in 0..1. `rate` is over all episodes that have turns.

    `changed`, `raised` and `lowered` are over the `n_rated_twice` episodes that rated both the overview and the end.
    `crop_iou` is between the first crop that was shown and the true region, `verdict_iou` between the verdict's box
    (0 where it has none) and the true region; both over locally damaged images, mean with interval, higher is better.
    """

    rate: Interval
    n_rated_twice: int
    changed: float
    raised: float
    lowered: float
    n_crop_iou: int
    crop_iou: Interval
    verdict_iou: Interval


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures of one look over one set of samples; `expected` scores the expected rating, `written` the written one."""

    n: int
    unusable: int
    unusable_share: float
    kept_earlier: int
    """Episodes whose last look failed, so that the rating of a look before it counts."""
    expected: Agreement
    written: Agreement
    recognition: Recognition
    zooming: Zooming


def score(predictions: Sequence[Prediction], *, n_boot: int = 1000, seed: int = 0) -> Scores:
    """All figures of `predictions`, of one look and at most one a sample; NaN figures where there are none."""
    turns = [verdict_of(item.episode) for item in predictions]
    unusable = sum(turn is None for turn in turns)
    return Scores(
        n=len(turns),
        unusable=unusable,
        unusable_share=unusable / len(turns) if turns else float("nan"),
        kept_earlier=sum(item.episode.kept_earlier for item in predictions),
        expected=_agreement(predictions, expected_rating, n_boot=n_boot, seed=seed),
        written=_agreement(predictions, written_rating, n_boot=n_boot, seed=seed),
        recognition=_recognition(predictions, n_boot=n_boot, seed=seed),
        zooming=_zooming(predictions, n_boot=n_boot, seed=seed),
    )


def class_hits(predictions: Sequence[Prediction]) -> list[float]:
    """1.0 where the class of a labelled sample was named rightly, else 0.0; samples without a label are left out."""
    return [float(said == true) for true, said, _ in _named(predictions)]


def severity_hits(predictions: Sequence[Prediction]) -> list[float]:
    """1.0 where class and level of a labelled sample were both named rightly, else 0.0; the same samples."""
    return [float(said == true and severity) for true, said, severity in _named(predictions)]


def _agreement(
    predictions: Sequence[Prediction],
    rating: Callable[[Turn | None], float],
    *,
    n_boot: int,
    seed: int,
) -> Agreement:
    def over(items: Sequence[Prediction]) -> Correlations:
        return correlations(
            [rating(verdict_of(item.episode)) for item in items],
            [item.sample.rating for item in items],
            groups=[item.group for item in items],
            n_boot=n_boot,
            seed=seed,
        )

    usable = [item for item in predictions if verdict_of(item.episode) is not None]
    everything = over(predictions)
    return Agreement(everything, everything if len(usable) == len(predictions) else over(usable))


def _named(predictions: Sequence[Prediction]) -> list[tuple[str, str, bool]]:
    """(true class, said class, severity word right) of every sample that has a class label."""
    rows: list[tuple[str, str, bool]] = []
    for item in predictions:
        turn, true, damage = (
            verdict_of(item.episode),
            true_class(item.sample),
            item.sample.degradation,
        )
        if true is not None and damage is not None:
            severity_right = turn is not None and turn.answer.severity == severity_word(damage.severity)
            rows.append((true, said_class(turn, classes=DISTORTION_CLASSES), severity_right))
    return rows


def _recognition(predictions: Sequence[Prediction], *, n_boot: int, seed: int) -> Recognition:
    rows = _named(predictions)
    groups = [item.group for item in predictions if item.sample.degradation is not None]
    counts = Counter((true, said) for true, said, _ in rows)
    confusion = {true: {said: counts[true, said] for said in SAID_LABELS} for true in TRUE_LABELS}
    recalls = [row[true] / sum(row.values()) for true, row in confusion.items() if sum(row.values())]
    return Recognition(
        n=len(rows),
        class_accuracy=mean_interval(class_hits(predictions), groups=groups, n_boot=n_boot, seed=seed),
        class_accuracy_macro=float(np.mean(recalls)) if recalls else float("nan"),
        severity_accuracy=mean_interval(severity_hits(predictions), groups=groups, n_boot=n_boot, seed=seed),
        confusion=confusion,
    )


def _zooming(predictions: Sequence[Prediction], *, n_boot: int, seed: int) -> Zooming:
    steps = [step for step in map(_rating_step, predictions) if step is not None]
    local = [item for item in predictions if item.sample.degradation is not None and item.sample.degradation.is_local]
    cropped = [item for item in local if item.episode.zoomed]

    def mean(values: Sequence[float], items: Sequence[Prediction]) -> Interval:
        groups = [item.group for item in items]
        return mean_interval(values, groups=groups, n_boot=n_boot, seed=seed) if values else UNDEFINED

    return Zooming(
        rate=mean([float(item.episode.zoomed) for item in predictions], predictions),
        n_rated_twice=len(steps),
        changed=_share(steps, lambda step: step != 0.0),
        raised=_share(steps, lambda step: step > 0.0),
        lowered=_share(steps, lambda step: step < 0.0),
        n_crop_iou=len(cropped),
        crop_iou=mean(
            [iou(item.episode.turns[1].view, _region(item)) for item in cropped],
            cropped,
        ),
        verdict_iou=mean([_verdict_iou(item) for item in local], local),
    )


def _rating_step(item: Prediction) -> float | None:
    """Written rating at the end less that of the overview; None unless the agent zoomed and gave both."""
    last, first = (
        verdict_of(item.episode),
        item.episode.turns[0].answer.rating if item.episode.turns else None,
    )
    if not item.episode.zoomed or last is None or last.answer.rating is None or first is None:
        return None
    return last.answer.rating - first


def _verdict_iou(item: Prediction) -> float:
    turn = verdict_of(item.episode)
    box = None if turn is None else turn.answer.bbox_2d
    return 0.0 if box is None else iou(box, _region(item))


def _region(item: Prediction) -> Box:
    damage = item.sample.degradation
    if damage is None or damage.bbox_2d is None:
        raise ValueError(f"sample {item.sample.id} has no damaged region; wanted a locally damaged one")
    return damage.bbox_2d


def _share(steps: Sequence[float], holds: Callable[[float], bool]) -> float:
    return sum(map(holds, steps)) / len(steps) if steps else float("nan")
