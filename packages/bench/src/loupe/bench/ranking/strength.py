"""From counted comparisons to one scale of strengths, by the library choix.

Bradley and Terry (1952): P(i beats j) = 1 / (1 + exp(s_j - s_i)); fitted by the iterative spectral ranking of Maystre
and Grossglauser (2015), which takes counts that are not whole. Thurstone (1927, case V): P = Phi(s_i - s_j); its
posterior under a normal prior comes from expectation propagation.

A picture that wins always has no finite Bradley-Terry strength, and two groups that never met have no common scale. So
each picture also plays `prior` comparisons, half won and half lost, against an imaginary average picture: it keeps all
strengths finite, pulls them to the middle a little, and matters less the more was compared. That rule is ours; 0 gives
the plain maximum of the likelihood, where there is one.
"""

import numpy as np

from loupe.bench.ranking.outcomes import Floats, Outcomes
from loupe.core.errors import DataError

PRIOR = 1.0
"""Comparisons of each picture with the imaginary average one."""
PRIOR_SPREAD = 2.0
"""Standard deviation of the normal prior of a Thurstone strength, in units of the noise of one comparison."""
_ROUNDS = 10_000


def bradley_terry(wins: Floats, *, prior: float = PRIOR, start: Floats | None = None) -> Floats:
    """Strengths (n,) on the logit scale, mean zero, higher is better, from `wins` (n, n) of the row over the column.

    Wins need not be whole. `start` (n,) is a guess that saves time. With `prior` 0, two pictures with a and b wins over
    each other are log(a / b) apart. Raises DataError where prior is 0 and the wins set no finite strengths.
    """
    import choix

    n = len(wins)
    if n < 2:
        return np.zeros(n)
    table = wins
    if prior > 0.0:
        table = np.zeros((n + 1, n + 1))
        table[:n, :n], table[n, :n], table[:n, n] = wins, prior / 2.0, prior / 2.0
    elif not _strongly_linked(wins):
        raise DataError("some pictures never lose to others, so no finite strengths fit; take a prior above 0")
    first = None if start is None else np.append(start, 0.0) if prior > 0.0 else start
    try:
        found = choix.ilsr_pairwise_dense(table, initial_params=first, max_iter=_ROUNDS)
    except RuntimeError as error:
        raise DataError(f"the strengths of {n} pictures did not settle ({error}); compare more pairs") from error
    return found[:n] - found[:n].mean()


def thurstone(outcomes: Outcomes, *, spread: float = PRIOR_SPREAD) -> tuple[Floats, Floats]:
    """Posterior mean (n,), mean zero, and covariance (n, n) of strengths in units of the noise of one comparison.

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
    return mean - mean.mean(), centre @ (2.0 * covariance) @ centre


def _strongly_linked(wins: Floats) -> bool:
    """Whether every picture beats every other one over some chain of wins."""
    reach = (wins > 0.0) | np.eye(len(wins), dtype=bool)
    for _ in range(max(1, len(wins) - 1).bit_length()):
        # Twice as long chains in each round.
        reach = reach.astype(np.float64) @ reach.astype(np.float64) > 0.0
    return bool(reach.all())
