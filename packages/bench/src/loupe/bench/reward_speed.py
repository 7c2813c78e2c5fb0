"""How fast the rank reward is beside loops over the same formula, and whether they agree.

Three yardsticks. `formula by formula` calls Eq. 1 and Eq. 3 for each image, sample and partner on arrays of one number,
as the released code of VisualQuality-R1 does with tensors of one number. The two others share no line with ours: a loop
over numbers taken out of arrays, and one over plain floats, the best that Python can do. Ratios are of times measured
one after the other on one core.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loupe.rewards.arrays import FloatArray
from loupe.rewards.rank import fidelity, rank_reward, thurstone_probability
from loupe.rewards.thurstone import GAMMA

Progress = Callable[[int, int], None]
EPSILON = 1e-6
TOLERANCE = 1e-12
"""Difference of two rewards that is still agreement: rounding."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one way to compute the reward, the least of its repeats, and its greatest difference to ours."""

    name: str
    seconds: float
    difference: float


def time_rank_reward(
    *, images: int = 256, samples: int = 8, repeats: int = 20, seed: int = 0, progress: Progress | None = None
) -> list[Timing]:
    """Ours, then the loops, on ratings (images, samples) drawn at random. `progress` counts images of the loops."""
    rng = np.random.default_rng(seed)
    ratings = np.round(rng.uniform(1.0, 5.0, (images, samples)), 2)
    mos = np.round(rng.uniform(1.0, 5.0, images), 2)
    ours = rank_reward(ratings, mos)
    best = min(_seconds(lambda: rank_reward(ratings, mos))[0] for _ in range(repeats))
    timings = [Timing("vectorised", best, 0.0)]
    for place, (name, loop) in enumerate(LOOPS.items()):
        step = _steps(progress, done=place * images, total=len(LOOPS) * images)
        seconds, rewards = _seconds(lambda loop=loop, step=step: loop(ratings, mos, step))
        timings.append(Timing(name, seconds, float(np.abs(rewards - ours).max())))
    return timings


def _steps(progress: Progress | None, *, done: int, total: int) -> Callable[[int], None]:
    return (lambda image: None) if progress is None else (lambda image: progress(done + image + 1, total))


def _seconds(work: Callable[[], FloatArray]) -> tuple[float, FloatArray]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def _public_functions(ratings: FloatArray, mos: FloatArray, step: Callable[[int], None]) -> FloatArray:
    mean, variance = ratings.mean(axis=1), ratings.var(axis=1, ddof=1)
    rewards = np.zeros_like(ratings)
    for i in range(len(mos)):
        for k in range(ratings.shape[1]):
            for j in range(len(mos)):
                if i != j:
                    p = thurstone_probability(ratings[i, k], mean[j], variance[i], variance[j])
                    truth = 1.0 if mos[i] > mos[j] else 0.5 if mos[i] == mos[j] else 0.0
                    rewards[i, k] += fidelity(p, truth, epsilon=EPSILON)
        step(i)
    return rewards / (len(mos) - 1)


def _array_numbers(ratings: FloatArray, mos: FloatArray, step: Callable[[int], None]) -> FloatArray:
    mean, variance = ratings.mean(axis=1), ratings.var(axis=1, ddof=1)
    rewards = np.zeros_like(ratings)
    for i in range(len(mos)):
        for k in range(ratings.shape[1]):
            for j in range(len(mos)):
                if i != j:
                    z = (ratings[i, k] - mean[j]) / np.sqrt(variance[i] + variance[j] + GAMMA)
                    p = 0.5 * math.erfc(-z * math.sqrt(0.5))
                    truth = 1.0 if mos[i] > mos[j] else 0.5 if mos[i] == mos[j] else 0.0
                    rewards[i, k] += np.sqrt(p * truth + EPSILON) + np.sqrt((1.0 - p) * (1.0 - truth) + EPSILON)
        step(i)
    return rewards / (len(mos) - 1)


def _plain_floats(ratings: FloatArray, mos: FloatArray, step: Callable[[int], None]) -> FloatArray:
    said, opinions = ratings.tolist(), mos.tolist()
    mean = [sum(row) / len(row) for row in said]
    variance = [sum((q - m) ** 2 for q in row) / (len(row) - 1) for row, m in zip(said, mean, strict=True)]
    rewards = [[0.0] * len(row) for row in said]
    for i, row in enumerate(said):
        for k, q in enumerate(row):
            for j, opinion in enumerate(opinions):
                if i != j:
                    z = (q - mean[j]) / math.sqrt(variance[i] + variance[j] + GAMMA)
                    p = 0.5 * math.erfc(-z * math.sqrt(0.5))
                    truth = 1.0 if opinions[i] > opinion else 0.5 if opinions[i] == opinion else 0.0
                    rewards[i][k] += math.sqrt(p * truth + EPSILON) + math.sqrt((1 - p) * (1 - truth) + EPSILON)
        step(i)
    return np.array(rewards) / (len(mos) - 1)


LOOPS: dict[str, Callable[[FloatArray, FloatArray, Callable[[int], None]], FloatArray]] = {
    "loop, formula by formula": _public_functions,
    "loop over numbers of arrays": _array_numbers,
    "loop over plain floats": _plain_floats,
}
