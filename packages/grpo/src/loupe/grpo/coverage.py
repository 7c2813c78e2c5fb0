"""KL-coverage: which few tokens drive entropy down and are to be held back.

Where a token is likely already and its completion did well, an update makes it still likelier; the entropy of a policy
falls with the covariance of log-probability and advantage (Cui et al. 2025, The Entropy Mechanism of RL, Theorem 2),
and most of it comes from few tokens. Three rules choose them:

- `covariance`, KL-Cov of that paper: the largest (A - mean A)(log p - mean log p). Unlikely tokens of completions that
  did badly are among them, for two negative factors make a large product.
- `confident`, ours after the figure of Zoom-IQA, which names a "KL-Coverage loss" without its form: the most probable
  tokens of completions that did well, and no others.
- `clip`, Clip-Cov of the same paper: tokens drawn at random from those whose covariance lies in a band.

Ours, where the reference code is silent or fails: dead rows are left out, masked tokens are never read, ties go to the
token that comes first, the draw has a generator of its own, and where every covariance is zero nothing is chosen, for
what does not differ drives nothing. What is done to the chosen tokens is the loss's business and not here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from loupe.core.errors import ConfigError
from loupe.grpo.advantage import per_token
from loupe.grpo.kl import ESTIMATORS

TARGETS = ("old", "reference")
SCOPES = ("optimizer_batch", "microbatch")


@dataclass(frozen=True)
class CoverageConfig:
    """The KL-coverage regulariser."""

    coefficient: float = 0.0
    """Weight of the penalty; 0 turns coverage off. The rule clip has no penalty: anything above 0 turns it on."""
    fraction: float = 0.002
    """Share of the agent's own tokens that are held back, at least one."""
    rule: str = "covariance"
    """covariance, confident or clip: how the tokens are chosen."""
    target: str = "old"
    """old or reference: the policy that they are held to; old has no effect in the first update after a rollout."""
    estimator: str = "abs"
    """abs, k1 or k3: how the distance to the target is measured."""
    scope: str = "optimizer_batch"
    """optimizer_batch or microbatch: what share and means are taken over; microbatch is what the paper's code does."""
    band: list[float] = field(default_factory=lambda: [1.0, 5.0])
    """Covariances between these two, both left out, may be drawn by the rule clip."""

    @property
    def holds_to_reference(self) -> bool:
        """Whether the target is the reference; the rule clip has no penalty, and so holds to none."""
        return self.target == "reference" and self.rule != "clip"

    def __post_init__(self) -> None:
        for name, known in (("rule", RULES), ("target", TARGETS), ("estimator", ESTIMATORS), ("scope", SCOPES)):
            if (got := getattr(self, name)) not in known:
                raise ConfigError(f"got the coverage {name} {got!r}; wanted one of {', '.join(known)}")
        if not 0.0 <= self.coefficient < math.inf:
            raise ConfigError(f"got the coverage coefficient {self.coefficient}; wanted a finite number of 0 or more")
        if not 0.0 < self.fraction <= 1.0:
            raise ConfigError(f"got the coverage fraction {self.fraction}; wanted a share above 0 and up to 1")
        if len(self.band) != 2 or not self.band[0] < self.band[1]:
            raise ConfigError(f"got the coverage band {list(self.band)}; wanted two numbers, the lower one first")


@dataclass(frozen=True)
class _Tokens:
    """The valid tokens of live rows in reading order, and what the rules need to know of them; all (N,)."""

    log_probs: torch.Tensor
    advantages: torch.Tensor
    covariances: torch.Tensor
    eligible: torch.Tensor
    band: tuple[float, float]
    generator: torch.Generator | None


def select_tokens(
    log_probs: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    fraction: float,
    rule: str = "covariance",
    alive: torch.Tensor | None = None,
    band: Sequence[float] = (1.0, 5.0),
    eligible: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """The tokens to hold back, as a bool mask (B, T); the same on every machine, and no gradient passes.

    `log_probs` (B, T), `advantages` (B,), (B, 1) or (B, T), `mask` (B, T) of the agent's own tokens. `alive` (B,) marks
    rows of live groups; without it, the rows that have an advantage. The other rows are never chosen and count for
    nothing. Of N tokens that are left, max(1, int(fraction N)) are chosen, or as many as the rule has candidates for.
    `eligible` (B, T), for the rule clip, marks tokens that the clip of the ratio has left alone; the others still enter
    the means. `generator`, a CPU one, makes its draw. Raises ConfigError for a rule that is none, or clip without one.
    """
    if rule not in RULES:
        raise ConfigError(f"got the coverage rule {rule!r}; wanted one of {', '.join(RULES)}")
    valid = _valid(advantages, mask, alive)
    log_prob, advantage = _values(log_probs, valid), _values(per_token(advantages, mask.shape), valid)
    free = torch.ones_like(log_prob).bool() if eligible is None else eligible.cpu()[valid].bool()
    covariances = _product(log_prob, advantage)
    places = RULES[rule](_Tokens(log_prob, advantage, covariances, free, (band[0], band[1]), generator))
    chosen = torch.zeros_like(valid)
    rows, columns = valid.nonzero(as_tuple=True)
    places = places[: max(1, int(fraction * len(rows)))]
    chosen[rows[places], columns[places]] = True
    return chosen.to(log_probs.device)


def covariance(
    log_probs: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor, *, alive: torch.Tensor | None = None
) -> torch.Tensor:
    """(A - mean A)(log p - mean log p) of every token (B, T), without gradient; 0 where masked and in dead rows.

    Arguments as in `select_tokens`. Over the valid tokens of live rows the mean is the covariance of the two, in nats
    times advantage: entropy falls where it is positive, and the faster the larger it is.
    """
    valid = _valid(advantages, mask, alive)
    values = torch.zeros(mask.shape, dtype=torch.float64)
    values[valid] = _product(_values(log_probs, valid), _values(per_token(advantages, mask.shape), valid))
    return values.to(log_probs)


def _valid(advantages: torch.Tensor, mask: torch.Tensor, alive: torch.Tensor | None) -> torch.Tensor:
    """The agent's own tokens in live rows (B, T), on the CPU."""
    own = mask.detach().cpu().bool()
    moved = per_token(advantages, mask.shape).detach().cpu() != 0
    live = (own & moved).any(1) if alive is None else alive.detach().cpu().bool()
    return own & live[:, None]


def _values(values: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Values (N,) of the valid tokens, in double precision on the CPU, for not every accelerator has doubles."""
    return values.detach().cpu()[valid].double()


def _product(log_probs: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    return _deviation(advantages) * _deviation(log_probs)


def _deviation(values: torch.Tensor) -> torch.Tensor:
    """Distance from the mean (N,); exactly zero where all are equal."""
    if not len(values) or values.min() == values.max():
        return torch.zeros_like(values)
    # A sum that is rounded once does not depend on the order of its terms, so neither does what is chosen.
    return values - math.fsum(values.tolist()) / len(values)


def _by_covariance(tokens: _Tokens) -> torch.Tensor:
    order = tokens.covariances.argsort(descending=True, stable=True)
    return order if tokens.covariances.any() else order[:0]


def _by_confidence(tokens: _Tokens) -> torch.Tensor:
    candidates = (tokens.advantages > 0).nonzero()[:, 0]
    return candidates[tokens.log_probs[candidates].argsort(descending=True, stable=True)]


def _at_random(tokens: _Tokens) -> torch.Tensor:
    if tokens.generator is None:
        raise ConfigError("got no generator for the coverage rule clip; wanted a torch.Generator of its own")
    low, high = tokens.band
    inside = (tokens.covariances > low) & (tokens.covariances < high) & tokens.covariances.any()
    candidates = (inside & tokens.eligible).nonzero()[:, 0]
    return candidates[torch.randperm(len(candidates), generator=tokens.generator)]


RULES: dict[str, Callable[[_Tokens], torch.Tensor]] = {
    "covariance": _by_covariance,
    "confident": _by_confidence,
    "clip": _at_random,
}
"""Each rule gives the places (up to N,) of its candidates among the tokens, the first to be chosen first."""
