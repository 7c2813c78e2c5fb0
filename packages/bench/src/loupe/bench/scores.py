"""All figures of one set of predictions under one look: agreement, recognition, and what the agent did with its zoom.

Unusable episodes count: in the main figures at mid-scale and as wrong, and beside them the same without them, so that
nobody has to wonder what was dropped. What was not asked is not scored: a protocol without a rating has no agreement.
Agreement is over the samples that somebody rated. What the damage was called is scored by `loupe.bench.recognition`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loupe.bench.correlate import (
    UNDEFINED,
    Correlations,
    Interval,
    correlations,
    mean_interval,
)
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import Recognition, recognition
from loupe.bench.verdicts import EVERYTHING, expected_rating, last_word, verdict_of, written_rating
from loupe.core.box import iou
from loupe.core.records import Box, Turn


@dataclass(frozen=True, slots=True)
class Agreement:
    """Correlations of one kind of rating with the opinions on the rated samples: over all episodes with failures at
    mid-scale, and over usable ones alone."""

    all: Correlations
    usable: Correlations


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
    """Figures of one look over one set of `n` samples; `expected` scores the expected rating, `written` the written
    one: both None where no rating was asked or no sample has one."""

    n: int
    unusable: int
    unusable_share: float
    kept_earlier: int
    """Episodes whose last look failed, so that the answer of a look before it counts."""
    expected: Agreement | None
    written: Agreement | None
    recognition: Recognition
    zooming: Zooming


def score(
    predictions: Sequence[Prediction], *, asks: Sequence[str] = EVERYTHING, n_boot: int = 1000, seed: int = 0
) -> Scores:
    """All figures of `predictions`, of one look and at most one a sample; NaN figures where there are none.

    `asks` are the keys that the protocol asked for.
    """
    words = [last_word(item.episode, asks=asks) for item in predictions]
    unusable = sum(word is None for word in words)
    kept = [
        word is not None and word is not item.episode.turns[-1] for word, item in zip(words, predictions, strict=True)
    ]
    rated = [item for item in predictions if math.isfinite(item.sample.rating)] if "rating" in asks else []
    return Scores(
        n=len(words),
        unusable=unusable,
        unusable_share=unusable / len(words) if words else math.nan,
        kept_earlier=sum(kept),
        expected=_agreement(rated, expected_rating, n_boot=n_boot, seed=seed, fits=True) if rated else None,
        # No table shows fits of the written number.
        written=_agreement(rated, written_rating, n_boot=n_boot, seed=seed, fits=False) if rated else None,
        recognition=recognition(predictions, asks=asks, n_boot=n_boot, seed=seed),
        zooming=_zooming(predictions, asks=asks, n_boot=n_boot, seed=seed),
    )


def _agreement(
    predictions: Sequence[Prediction],
    rating: Callable[[Turn | None], float],
    *,
    n_boot: int,
    seed: int,
    fits: bool,
) -> Agreement:
    def over(items: Sequence[Prediction]) -> Correlations:
        return correlations(
            [rating(verdict_of(item.episode)) for item in items],
            [item.sample.rating for item in items],
            groups=[item.group for item in items],
            n_boot=n_boot,
            seed=seed,
            fits=fits,
        )

    usable = [item for item in predictions if verdict_of(item.episode) is not None]
    everything = over(predictions)
    return Agreement(everything, everything if len(usable) == len(predictions) else over(usable))


def _zooming(predictions: Sequence[Prediction], *, asks: Sequence[str], n_boot: int, seed: int) -> Zooming:
    steps = [step for step in map(_rating_step, predictions) if step is not None]
    local = [item for item in predictions if item.sample.degradation is not None and item.sample.degradation.is_local]
    cropped, boxed = [item for item in local if item.episode.zoomed], local if "bbox_2d" in asks else []

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
        verdict_iou=mean([_verdict_iou(item, asks=asks) for item in boxed], boxed),
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


def _verdict_iou(item: Prediction, *, asks: Sequence[str]) -> float:
    turn = last_word(item.episode, asks=asks)
    box = None if turn is None else turn.answer.bbox_2d
    return 0.0 if box is None else iou(box, _region(item))


def _region(item: Prediction) -> Box:
    damage = item.sample.degradation
    if damage is None or damage.bbox_2d is None:
        raise ValueError(f"sample {item.sample.id} has no damaged region; wanted a locally damaged one")
    return damage.bbox_2d


def _share(steps: Sequence[float], holds: Callable[[float], bool]) -> float:
    return sum(map(holds, steps)) / len(steps) if steps else float("nan")
