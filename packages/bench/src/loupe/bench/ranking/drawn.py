"""Scores of pictures and joint draws of them: what every interval of a ranking is read from.

Three ways to a `Scored`:
- ratings: the mean of a picture's ratings; draws by Student's t about it, with their spread and their number less one,
  which is the posterior of a mean under the usual flat prior (Gelman et al., Bayesian Data Analysis, section 3.2). They
  say how much the agent wavers, not how far it is from people. A picture with one usable rating borrows the pooled
  spread of the others.
- rated pairs: Phi of the difference of two means over both spreads (Thurstone, as VisualQuality-R1 compares, Eq. 1) is
  the share of wins of one picture over the other; Bradley-Terry makes one scale of them. Draws are those of the means.
- comparisons: Bradley-Terry with normal draws about the fit, as wide as the information in the answers leaves it, or
  Thurstone with draws from its posterior. A bootstrap over pairs was measured too and held the truth less often.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.ranking.config import THURSTONE
from loupe.bench.ranking.outcomes import Floats, Outcomes
from loupe.bench.ranking.strength import bradley_terry, bradley_terry_spread, thurstone
from loupe.bench.verdicts import FIRST, LAST
from loupe.rewards.thurstone import thurstone_probability

Progress = Callable[[int, int], None]
"""Called with the draws that are done and the draws there are in all."""


@dataclass(frozen=True, slots=True)
class Scored:
    """`scores` (n,), higher is better, and joint `draws` (draws, n) of them; no draws where nothing can be said.

    `ends` are those of the scale; draws may lie beyond, and intervals are cut there.
    """

    scores: Floats
    draws: Floats
    ends: tuple[float, float] = (-math.inf, math.inf)


def of_ratings(ratings: Sequence[Sequence[float]], *, draws: int, seed: int) -> Scored:
    """Scores of pictures with one or more `ratings` each; no draws where no picture has two."""
    means = np.array([np.mean(item) for item in ratings], dtype=np.float64)
    spreads, freedom = spread_of(ratings)
    count = draws if np.isfinite(spreads).all() else 0
    noise = np.random.default_rng(seed).standard_t(freedom, size=(count, len(means)))
    sizes = np.array([len(item) for item in ratings])
    return Scored(means, means + noise * spreads / np.sqrt(sizes), ends=(FIRST, LAST))


def spread_of(ratings: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Standard deviation (n,) of each picture's ratings and its degrees of freedom (n,); pooled ones where a picture
    has one rating. NaN, with 1 degree of freedom, where no picture has two."""
    freedom = np.array([len(item) - 1 for item in ratings], dtype=np.float64)
    squares = np.array([float(np.square(np.asarray(item) - np.mean(item)).sum()) for item in ratings])
    total = float(freedom.sum())
    pooled = float(squares.sum()) / total if total else np.nan
    alone = freedom < 1
    variance = np.where(alone, pooled, squares / np.maximum(freedom, 1.0))
    return np.sqrt(variance), np.where(alone, max(total, 1.0), freedom)


def of_rated_pairs(
    ratings: Sequence[Sequence[float]], *, draws: int, seed: int, progress: Progress | None = None
) -> Scored:
    """Strengths of pictures from the chances that their ratings give them over each other, mean zero."""
    rated = of_ratings(ratings, draws=draws, seed=seed)
    variance = np.square(spread_of(ratings)[0])
    scores = bradley_terry(better_than(rated.scores, variance))
    return _refitted(
        scores,
        count=len(rated.draws),
        wins=lambda number: better_than(rated.draws[number], variance),
        progress=progress,
    )


def better_than(means: Floats, variance: Floats) -> Floats:
    """Chance (n, n) that the picture of the row is better than that of the column; zero on the diagonal."""
    chance = thurstone_probability(means[:, None], means[None, :], variance[:, None], variance[None, :])
    return chance * (1.0 - np.eye(len(means)))


def of_comparisons(outcomes: Outcomes, *, draws: int, seed: int, fit: str) -> Scored:
    """Strengths of compared pictures, mean zero. Raises DataError as the fits do."""
    if outcomes.pictures < 2:
        return Scored(np.zeros(outcomes.pictures), np.empty((0, outcomes.pictures)))
    mean, covariance = thurstone(outcomes) if fit == THURSTONE else bradley_terry_spread(outcomes)
    drawn = np.random.default_rng(seed).multivariate_normal(mean, covariance, size=draws, method="eigh")
    return Scored(mean, drawn - drawn.mean(axis=1, keepdims=True))


def _refitted(scores: Floats, *, count: int, wins: Callable[[int], Floats], progress: Progress | None) -> Scored:
    """Bradley-Terry strengths of every draw's wins, each fit begun where the one of all wins ended."""
    drawn = np.empty((count, len(scores)))
    for number in range(count):
        drawn[number] = bradley_terry(wins(number), start=scores)
        if progress is not None:
            progress(number + 1, count)
    return Scored(scores, drawn)
