"""KL(policy || other) from the tokens that the policy drew, one number a token.

The estimators are those of Schulman's note "Approximating KL Divergence" (2020), beside the plain distance |d| that
KL-Cov (Cui et al. 2025) penalises; d = log p - log p_other. An estimator that has the right value need not have the
right gradient, and here it is the gradient that trains. Left out: k2 = d^2 / 2, which no paper of ours uses.
"""

from collections.abc import Callable

import torch

from loupe.core.errors import ConfigError

Estimator = Callable[[torch.Tensor], torch.Tensor]


def _abs(distance: torch.Tensor) -> torch.Tensor:
    return distance.abs()


def _k1(distance: torch.Tensor) -> torch.Tensor:
    return distance


def _k3(distance: torch.Tensor) -> torch.Tensor:
    # expm1 keeps the digits that exp(-d) - 1 loses where the two policies are close.
    return torch.expm1(-distance) + distance


ESTIMATORS: dict[str, Estimator] = {"abs": _abs, "k1": _k1, "k3": _k3}


def kl(log_probs: torch.Tensor, other: torch.Tensor, *, estimator: str) -> torch.Tensor:
    """Estimate (B, T) in nats a token; `log_probs` (B, T) of the policy, `other` (B, T) of the one it is held to.

    | estimator | value d = log p - log p_other | gradient as a term of a loss, for each token |
    |---|---|---|
    | `abs` | abs(d), at least 0; its mean is the KL or more | sign(d) grad log p; 0 where d = 0 |
    | `k1` | d, of either sign; its mean is the KL | grad log p whatever d is: in expectation no pressure at all |
    | `k3` | exp(-d) + d - 1, at least 0; its mean is the KL | (1 - exp(-d)) grad log p: that of KL(other, policy) |

    Raises ConfigError for an estimator that is none.
    """
    if estimator not in ESTIMATORS:
        raise ConfigError(f"got the KL estimator {estimator!r}; wanted one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[estimator](log_probs - other)
