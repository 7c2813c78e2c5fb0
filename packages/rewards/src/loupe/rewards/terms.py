"""The columns of a reward table: each term over a batch, by the name of its weight.

Targets and not raw opinions are scored and ranked: higher is better there for every dataset, and the order is the same.
NaN marks a completion that the term does not apply to, because it was not asked for it or because nobody knows the
truth; a completion that was asked and said nothing usable earns 0 instead.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np

from loupe.core.answer import Answer
from loupe.rewards.arrays import FloatArray
from loupe.rewards.batch import Completion, Finding, RewardBatch
from loupe.rewards.comparison import comparison_reward
from loupe.rewards.degradation import degradation_reward
from loupe.rewards.format import format_reward
from loupe.rewards.rank import rank_reward
from loupe.rewards.score import score_reward
from loupe.rewards.settings import RewardOptions
from loupe.rewards.zoom import crop_cost, gain_reward, region_reward

_FINDING = frozenset({"distortion_class", "severity"})


def _format(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    def share(item: Completion) -> float:
        marks = [format_reward(text, dialect=batch.dialect, asks=item.asks) for text in item.turns]
        return sum(marks) / len(marks) if marks else 0.0

    return _column(share(item) for item in batch.completions)


def _score(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    targets = _column(_target(item) for item in batch.completions)
    rewards = score_reward(
        _ratings(batch), targets, kind=options.score_kind, epsilon=options.score_epsilon, strict=options.score_strict
    )
    return np.where(np.isnan(targets), math.nan, rewards)


def _degradation(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    def earned(item: Completion) -> float:
        if item.finding is None or not set(item.asks) >= _FINDING:
            return math.nan
        said = _said(_paid(item))
        if said is None:
            return 0.0
        return degradation_reward(
            *said,
            *item.finding,
            class_weight=options.class_weight,
            level_weight=options.level_weight,
            partial_level=options.partial_level,
        )

    return _column(earned(item) for item in batch.completions)


def _rank(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    first = batch.completions[:: batch.num_generations]
    targets = _column(_target(item) for item in first)
    ranked = ~np.isnan(targets)
    rewards = np.full((len(first), batch.num_generations), math.nan)
    rewards[ranked] = rank_reward(
        _ratings(batch).reshape(rewards.shape)[ranked],
        targets[ranked],
        variant=options.rank_variant,
        groups=[item.dataset for item, counts in zip(first, ranked, strict=True) if counts],
        epsilon=options.rank_epsilon,
        min_variance=options.rank_min_variance,
    )
    return rewards.reshape(-1)


def _comparison(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    def earned(item: Completion) -> float:
        if item.choice is None or "choice" not in item.asks:
            return math.nan
        return comparison_reward(None if (paid := _paid(item)) is None else paid.choice, item.choice)

    return _column(earned(item) for item in batch.completions)


def _region_iou(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    def earned(item: Completion) -> float:
        if item.region is None or "bbox_2d" not in item.asks:
            return math.nan
        return region_reward(None if (paid := _paid(item)) is None else paid.bbox_2d, item.region)

    return _column(earned(item) for item in batch.completions)


def _zoom_gain(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    return _column(
        math.nan if math.isnan(target := _target(item)) else gain_reward(item.ratings, target)
        for item in batch.completions
    )


def _crop_cost(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    return _column(crop_cost(max(0, len(item.turns) - 1)) for item in batch.completions)


TERMS: dict[str, Callable[[RewardBatch, RewardOptions], FloatArray]] = {
    "format": _format,
    "score": _score,
    "degradation": _degradation,
    "rank": _rank,
    "comparison": _comparison,
    "region_iou": _region_iou,
    "zoom_gain": _zoom_gain,
    "crop_cost": _crop_cost,
}
"""Unweighted reward (N,) of each term, NaN where it does not apply."""


def _column(values: Iterable[float]) -> FloatArray:
    return np.fromiter(values, dtype=np.float64)


def _ratings(batch: RewardBatch) -> FloatArray:
    """Ratings (N,) of the verdicts, NaN for none."""
    said = (_paid(item) for item in batch.completions)
    return _column(math.nan if answer is None or answer.rating is None else answer.rating for answer in said)


def _target(item: Completion) -> float:
    """The opinion on 1..5; NaN where it is unknown or was not asked for."""
    return math.nan if item.target is None or "rating" not in item.asks else item.target


def _paid(item: Completion) -> Answer | None:
    """The verdict, unless nobody can use it."""
    return item.verdict if item.verdict is not None and item.verdict.usable else None


def _said(answer: Answer | None) -> Finding | None:
    """None unless class and severity were both said: silence must not be paid as the finding "clean"."""
    if answer is None or not set(answer.said) >= _FINDING:
        return None
    return Finding(answer.distortion_class, answer.severity)
