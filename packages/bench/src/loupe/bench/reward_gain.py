"""Whether reinforcement learning raised what it was paid for, on images that it never saw.

The reward is the training reward over the verdicts of two evaluations of the same images; the interval is the paired
bootstrap's. An image is one attempt here, so the rank term compares single ratings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loupe.bench.correlate import paired_difference
from loupe.bench.predictions import FILE, Prediction, read_predictions
from loupe.core.errors import DataError
from loupe.core.protocol import Protocol
from loupe.rewards.batch import batch_of
from loupe.rewards.joint import JointReward


@dataclass(frozen=True, slots=True)
class RewardGain:
    """Mean reward of two evaluations and the difference second − first with its 95 % interval."""

    first: float
    second: float
    difference: tuple[float, float, float]


def reward_gain(
    first: Path,
    second: Path,
    protocol: Protocol,
    *,
    reward: JointReward,
    look: str = "decided",
) -> RewardGain:
    """Gain of the evaluation in folder `second` over that in `first`. Raises DataError for other images."""
    pair = [_of_look(read_predictions(folder / FILE), look) for folder in (first, second)]
    if list(pair[0]) != list(pair[1]):
        raise DataError(
            f"{first} and {second} judged other images; evaluate both on the same split with the same limit"
        )
    rewards = [
        reward.score(
            batch_of(
                [item.episode for item in items.values()],
                [item.sample for item in items.values()],
                num_generations=1,
                protocol=protocol,
            )
        ).total
        for items in pair
    ]
    groups = [item.sample.group for item in pair[0].values()]
    difference = paired_difference(rewards[1], rewards[0], None, statistic="mean", groups=groups)
    return RewardGain(float(rewards[0].mean()), float(rewards[1].mean()), difference)


def _of_look(predictions: Sequence[Prediction], look: str) -> dict[str, Prediction]:
    return {item.sample.id: item for item in sorted(predictions, key=lambda item: item.sample.id) if item.look == look}
