"""From counted comparisons to one scale of strengths, by the library choix.

Bradley and Terry (1952): P(i beats j) = 1 / (1 + exp(s_j - s_i)); fitted by the iterative spectral ranking of Maystre
and Grossglauser (2015), which takes counts that are not whole. Thurstone (1927, case V): P = Phi(s_i - s_j); its
posterior under a normal prior comes from expectation propagation.

A picture that wins always has no finite Bradley-Terry strength, and two groups that never met have no common scale. So
each picture also plays `prior` comparisons, half won and half lost, against an imaginary average picture: it keeps all
strengths finite, pulls them to the middle a little, and matters less the more was compared. That rule is ours; 0 gives
the plain maximum of the likelihood, where there is one.

An agent that says in the second order what it said in the first has told one thing, not two. Both models take answers
for independent, so their covariance is multiplied by how much more the pairs scatter than that; which is ours too.
"""

import numpy as np
from numpy.typing import NDArray

from loupe.bench.ranking.outcomes import Floats, Outcomes
from loupe.core.errors import DataError
from loupe.rewards.thurstone import thurstone_probability

PRIOR = 1.0
"""Comparisons of each picture with the imaginary average one."""
PRIOR_SPREAD = 2.0
"""Standard deviation of the normal prior of a Thurstone strength, in units of the noise of one comparison."""
_ROUNDS = 10_000
_SURE = 1e-9


def bradley_terry(wins: Floats, *, prior: float = PRIOR, start: Floats | None = None) -> Floats:
    """Strengths (n,) on the logit scale, mean zero, higher is better, from `wins` (n, n) of the row over the column.

    Wins need not be whole. `start` (n,) is a guess that saves time. With `prior` 0, two pictures with a and b wins over
    each other are log(a / b) apart. Raises DataError where prior is 0 and the wins set no finite strengths.
    """
    n = len(wins)
    if n < 2:
        return np.zeros(n)
    if prior > 0.0:
        return _with_average(wins, prior=prior, start=start)[:n]
    if not _strongly_linked(wins):
        raise DataError("some pictures never lose to others, so no finite strengths fit; take a prior above 0")
    return _fitted(wins, start=start)


def bradley_terry_spread(outcomes: Outcomes, *, prior: float = PRIOR) -> tuple[Floats, Floats]:
    """Strengths (n,) as `bradley_terry` and their covariance (n, n): the inverse of the information in all comparisons,
    those with the imaginary average picture too, times the `dispersion` of the answers.

    Two pictures or more, `prior` above 0. Raises DataError where the strengths do not settle.
    """
    n = outcomes.pictures
    strengths = _with_average(outcomes.matrix(), prior=prior)
    first, second = _sides(outcomes)
    chances = 1.0 / (1.0 + np.exp(strengths[second] - strengths[first]))
    played = np.zeros((n + 1, n + 1))
    played[first, second] = outcomes.wins.sum(axis=1)
    played[:n, n] = prior
    known = played / (2.0 * np.cosh((strengths[:, None] - strengths[None, :]) / 2.0)) ** 2
    known += known.T
    information = np.diag(known.sum(axis=1)) - known
    centre = np.eye(n, n + 1) - np.append(np.full(n, 1.0 / n), 0.0)
    covariance = centre @ np.linalg.pinv(information, hermitian=True) @ centre.T
    return strengths[:n], covariance * dispersion(outcomes, chances)


def dispersion(outcomes: Outcomes, chances: Floats) -> float:
    """How many times as much the wins of pairs scatter about their `chances` (pairs,) as independent answers would.

    That is Pearson's statistic over its degrees of freedom (McCullagh and Nelder, Generalized Linear Models, section
    4.5), which tells an agent that repeats itself from one that says something new. It is kept between 1, all answers
    independent, and the answers a pair, each pair one answer; the latter too where there are too few pairs to tell.
    """
    if not outcomes.pairs:
        return 1.0
    # The wins of a sure thing have no variance to divide by.
    chances, answers = np.clip(chances, _SURE, 1.0 - _SURE), outcomes.wins.sum(axis=1)
    freedom = len(outcomes.pairs) - outcomes.pictures + 1
    off = np.square(outcomes.wins[:, 0] - answers * chances) / (answers * chances * (1.0 - chances))
    most = max(1.0, float(answers.mean()))
    return min(most, max(1.0, float(off.sum()) / freedom)) if freedom > 0 else most


def thurstone(outcomes: Outcomes, *, spread: float = PRIOR_SPREAD) -> tuple[Floats, Floats]:
    """Posterior mean (n,), mean zero, and covariance (n, n) of strengths in units of the noise of one comparison; the
    latter times the `dispersion` of the answers.

    `spread` is the standard deviation of the prior. Raises DataError where the approximation does not settle.
    """
    import choix

    # The library takes whole wins. Everything counts twice, prior included, and the covariance is doubled in return:
    # for a normal posterior that is the same, and half a win is then a whole one.
    data = [
        pair
        for (first, second), (ours, theirs) in zip(outcomes.pairs, outcomes.wins.tolist(), strict=True)
        for pair, count in (((first, second), ours), ((second, first), theirs))
        for _ in range(round(2 * count))
    ]
    state = np.random.get_state()
    try:
        np.random.seed(0)
        fitted: tuple[Floats, Floats] = choix.ep_pairwise(  # pyright: ignore[reportUnknownMemberType]
            outcomes.pictures, data, 2.0 / spread**2, model="probit"
        )
    except RuntimeError as error:
        raise DataError(f"Thurstone's model did not settle ({error}); take --fit bradley-terry") from error
    finally:
        np.random.set_state(state)
    centre = np.eye(outcomes.pictures) - 1.0 / outcomes.pictures
    mean, covariance = fitted
    first, second = _sides(outcomes)
    scatter = dispersion(outcomes, thurstone_probability(mean[first], mean[second], 0.5, 0.5))
    return mean - mean.mean(), centre @ (2.0 * scatter * covariance) @ centre


def _sides(outcomes: Outcomes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the second picture of every pair, each (pairs,)."""
    pairs = np.array(outcomes.pairs, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _with_average(wins: Floats, *, prior: float, start: Floats | None = None) -> Floats:
    """Strengths (n + 1,) of all pictures, whose mean is zero, and of the imaginary average one behind them."""
    n = len(wins)
    table = np.zeros((n + 1, n + 1))
    table[:n, :n], table[n, :n], table[:n, n] = wins, prior / 2.0, prior / 2.0
    found = _fitted(table, start=None if start is None else np.append(start, 0.0))
    return found - found[:n].mean()


def _fitted(table: Floats, *, start: Floats | None) -> Floats:
    import choix

    try:
        found = choix.ilsr_pairwise_dense(table, initial_params=start, max_iter=_ROUNDS)
    except RuntimeError as error:
        raise DataError(
            f"the strengths of {len(table)} pictures did not settle ({error}); compare more pairs"
        ) from error
    return found - found.mean()


def _strongly_linked(wins: Floats) -> bool:
    """Whether every picture beats every other one over some chain of wins."""
    reach = (wins > 0.0) | np.eye(len(wins), dtype=bool)
    for _ in range(max(1, len(wins) - 1).bit_length()):
        # Twice as long chains in each round.
        reach = reach.astype(np.float64) @ reach.astype(np.float64) > 0.0
    return bool(reach.all())
