"""The joint reward: every term for every episode, and their weighted sum, in a table that can be logged and explained.

Q-Insight adds up format, score and degradation; VisualQuality-R1 adds up format and rank. Both are a choice of weights
here. What is paid is the verdict of the episode, the same turn that evaluation scores, and the format of every turn.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from loupe.core.answer import Answer
from loupe.core.errors import ConfigError, DataError
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample, severity_word
from loupe.rewards.arrays import FloatArray
from loupe.rewards.degradation import Finding, degradation_reward
from loupe.rewards.format import format_reward
from loupe.rewards.rank import rank_reward
from loupe.rewards.score import SHAPES, score_reward


@dataclass(frozen=True)
class RewardWeights:
    """What each term is worth in the sum. A term of weight 0 is computed and logged, and paid nothing."""

    format: float = 1.0
    """Share of turns in the asked layout and with the asked keys, 0 to 1."""
    score: float = 1.0
    """Nearness of the verdict's rating to the opinion, 0 to 1."""
    degradation: float = 1.0
    """Right class, and right class with right level, 0 to 1 with the default options."""
    rank: float = 1.0
    """Right order of the rating among the other images of the batch, 0 to about 1."""

    def __post_init__(self) -> None:
        if any(not math.isfinite(weight) or weight < 0.0 for weight in astuple(self)):
            raise ConfigError(f"got {self}; wanted finite weights of 0 or more")


@dataclass(frozen=True)
class RewardOptions:
    """Settings of the terms; the defaults are those of the papers."""

    score_shape: str = "threshold"
    """threshold, linear or gaussian: how the score reward falls with the error."""
    score_threshold: float = 0.35
    """Error of a rating on 1..5 at which the score reward is lost (threshold) or halved (linear, gaussian)."""
    class_weight: float = 0.25
    """Part of the degradation reward for the right class."""
    severity_weight: float = 0.75
    """Part of the degradation reward for the right level of the right class."""
    neighbour_credit: float = 0.0
    """Share of severity_weight that a level one off earns, 0 to 1."""
    rank_epsilon: float = 1e-6
    """Added inside the roots of the rank reward; 0 for the formula of the paper."""

    def __post_init__(self) -> None:
        if self.score_shape not in SHAPES:
            raise ConfigError(f"got score_shape {self.score_shape!r}; wanted one of {', '.join(SHAPES)}")
        if not self.score_threshold > 0.0 or not self.rank_epsilon >= 0.0:
            raise ConfigError(f"got {self}; wanted score_threshold > 0 and rank_epsilon >= 0")
        if not (self.class_weight >= 0.0 and self.severity_weight >= 0.0 and 0.0 <= self.neighbour_credit <= 1.0):
            raise ConfigError(f"got {self}; wanted weights of 0 or more and neighbour_credit in 0..1")


@dataclass(frozen=True, slots=True)
class RewardBatch:
    """Episodes of one batch as the terms see them: N completions, `num_generations` of each image in a row.

    `answers` holds the answers of all turns of each episode. `ratings` and `targets` (N,) are on 1..5; a rating is NaN
    for an episode without a verdict. A finding is None where nothing usable was said, a truth where nobody labelled the
    image. `datasets` (N,) names what images may be ranked within.
    """

    answers: tuple[tuple[Answer, ...], ...]
    ratings: FloatArray
    findings: tuple[Finding | None, ...]
    targets: FloatArray
    truths: tuple[Finding | None, ...]
    datasets: tuple[str, ...]
    asks: tuple[str, ...]
    num_generations: int


@dataclass(frozen=True, slots=True)
class RewardTable:
    """`columns`: the unweighted reward (N,) of each term by name; `total` (N,): their weighted sum."""

    columns: dict[str, FloatArray]
    total: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms in the order of `RewardWeights`."""
        return tuple(self.columns)

    def row(self, index: int) -> dict[str, float]:
        """Everything that one episode earned, by term and in total: plain numbers for a log."""
        return {name: float(column[index]) for name, column in (self.columns | {"total": self.total}).items()}


def joint_reward(
    episodes: Sequence[Episode],
    samples: Sequence[Sample],
    *,
    num_generations: int,
    protocol: Protocol,
    weights: RewardWeights | None = None,
    options: RewardOptions | None = None,
) -> RewardTable:
    """Rewards of N episodes. `samples` (N,) are their images, each repeated `num_generations` times in a row.

    Raises DataError where episodes and samples do not belong together in this order, ConfigError for settings out of
    range.
    """
    weights, options = weights or RewardWeights(), options or RewardOptions()
    batch = batch_of(episodes, samples, num_generations=num_generations, asks=protocol.asks)
    columns = {name: term(batch, options) for name, term in TERMS.items()}
    total = np.zeros(len(episodes))
    for name, column in columns.items():
        total = total + getattr(weights, name) * column
    return RewardTable(columns, total)


def batch_of(
    episodes: Sequence[Episode], samples: Sequence[Sample], *, num_generations: int, asks: Sequence[str]
) -> RewardBatch:
    """What the terms need of episodes and samples. Raises DataError as `joint_reward` does."""
    _check_order(episodes, samples, num_generations)
    verdicts = [None if episode.verdict is None else episode.verdict.answer for episode in episodes]
    return RewardBatch(
        answers=tuple(tuple(turn.answer for turn in episode.turns) for episode in episodes),
        ratings=np.array([_rating(answer) for answer in verdicts], dtype=np.float64),
        findings=tuple(_finding(answer) for answer in verdicts),
        targets=np.array([sample.rating for sample in samples], dtype=np.float64),
        truths=tuple(_truth(sample) for sample in samples),
        datasets=tuple(sample.dataset for sample in samples),
        asks=tuple(asks),
        num_generations=num_generations,
    )


def _check_order(episodes: Sequence[Episode], samples: Sequence[Sample], num_generations: int) -> None:
    if num_generations < 1 or len(episodes) != len(samples) or len(episodes) % num_generations:
        raise DataError(
            f"got {len(episodes)} episodes, {len(samples)} samples and num_generations {num_generations}; "
            "wanted as many samples as episodes, and a whole number of groups"
        )
    for index, (episode, sample) in enumerate(zip(episodes, samples, strict=True)):
        first = samples[index - index % num_generations]
        if episode.sample_id != sample.id or sample.id != first.id:
            raise DataError(
                f"place {index}: got an episode of {episode.sample_id!r} beside the sample {sample.id!r} in the group "
                f"of {first.id!r}; wanted the completions of one image in a row, each beside its own sample"
            )


def _rating(answer: Answer | None) -> float:
    return math.nan if answer is None or answer.rating is None else answer.rating


def _finding(answer: Answer | None) -> Finding | None:
    """None unless class and severity were both said: silence must not be paid as the finding "clean"."""
    if answer is None or not answer.usable or not {"distortion_class", "severity"} <= set(answer.said):
        return None
    return Finding(answer.distortion_class, answer.severity)


def _truth(sample: Sample) -> Finding | None:
    damage = sample.degradation
    return None if damage is None else Finding(damage.distortion_class, severity_word(damage.severity))


def _format(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    shares = [format_reward(turns, batch.asks).mean() if turns else 0.0 for turns in batch.answers]
    return np.array(shares, dtype=np.float64)


def _score(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    return score_reward(batch.ratings, batch.targets, shape=options.score_shape, threshold=options.score_threshold)


def _degradation(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    return degradation_reward(
        batch.findings,
        batch.truths,
        class_weight=options.class_weight,
        severity_weight=options.severity_weight,
        neighbour_credit=options.neighbour_credit,
    )


def _rank(batch: RewardBatch, options: RewardOptions) -> FloatArray:
    """Targets and not raw opinions are ranked: higher is better there for every dataset, and the order is the same."""
    k = batch.num_generations
    rewards = rank_reward(
        batch.ratings.reshape(-1, k), batch.targets[::k], groups=batch.datasets[::k], epsilon=options.rank_epsilon
    )
    return rewards.reshape(-1)


TERMS: dict[str, Callable[[RewardBatch, RewardOptions], FloatArray]] = {
    "format": _format,
    "score": _score,
    "degradation": _degradation,
    "rank": _rank,
}
