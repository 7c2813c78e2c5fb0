"""The loss of one (micro-)batch: clipped surrogate, KL to the reference, and KL-coverage.

For each of the agent's own tokens, with r = p / p_old (Shao et al. 2024, DeepSeekMath, Eq. 3 and 4):

    -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) + beta k3(p, p_reference) + coefficient KL(p, target) if chosen

Without the clip and with `target: old` this is KL-Cov (Cui et al. 2025); the rule `clip` is Clip-Cov of the same paper.
By `token` the result is what TRL calls dapo, by `sequence` what it calls grpo. What cannot be had from its inputs is
left out: which tokens are chosen (coverage), advantages, the entropy bonus, and corrections for another sampler.

Whatever is masked is set to zero at the door, so nothing that lies there, be it infinite, reaches loss or gradient.
"""

from dataclasses import dataclass, field

import torch

from loupe.core.errors import ConfigError, DataError
from loupe.grpo.advantage import per_token
from loupe.grpo.coverage import CoverageConfig, covariance
from loupe.grpo.kl import kl

AGGREGATIONS = ("token", "sequence")


@dataclass(frozen=True)
class LossInputs:
    """What the loss is computed from; only `log_probs` passes a gradient."""

    log_probs: torch.Tensor
    """(B, T) log-probability of each token by the policy that is trained, in nats."""
    old_log_probs: torch.Tensor | None
    """(B, T) by the policy that sampled the tokens; None where that is the policy that is trained."""
    advantages: torch.Tensor
    """(B,), (B, 1) or (B, T), higher is better."""
    mask: torch.Tensor
    """(B, T) bool or 0/1: the agent's own tokens, not padding and not what it was shown."""
    reference_log_probs: torch.Tensor | None = None
    """(B, T) by the frozen reference."""
    selected: torch.Tensor | None = None
    """(B, T) bool: the tokens that coverage holds back."""
    entropies: torch.Tensor | None = None
    """(B, T) entropy of the policy at each token, in nats; for the metric."""
    normaliser: float | torch.Tensor | None = None
    """What the sum is divided by: tokens, or sequences, of the optimizer batch; None for those of these inputs."""
    covariances: torch.Tensor | None = None
    """(B, T) as `coverage.covariance` gives them over the optimizer batch, for the metric; None for these inputs'."""


@dataclass(frozen=True)
class LossConfig:
    """Form of the loss."""

    clip_low: float | None = 0.2
    """How far below 1 the ratio is followed where the advantage is negative; None for no bound, as in KL-Cov."""
    clip_high: float | None = 0.2
    """How far above 1 the ratio is followed where the advantage is positive; None for no bound, as in KL-Cov."""
    beta: float = 0.0
    """Weight of the KL (k3) to the reference on all tokens; 0 turns it off."""
    correct_kl: bool = False
    """Multiply that KL by the ratio: its gradient is then, on-policy in expectation, that of KL(policy, reference)."""
    aggregation: str = "token"
    """token: mean over all tokens; sequence: mean over the tokens of each sequence, then over sequences."""
    coverage: CoverageConfig = field(default_factory=CoverageConfig)
    """The KL-coverage regulariser."""

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            raise ConfigError(f"got the aggregation {self.aggregation!r}; wanted one of {', '.join(AGGREGATIONS)}")
        if min(self.clip_low or 0.0, self.clip_high or 0.0, self.beta) < 0.0:
            got = f"clip_low {self.clip_low}, clip_high {self.clip_high} and beta {self.beta}"
            raise ConfigError(f"got {got}; wanted numbers of 0 or more")


@dataclass(frozen=True)
class LossOutputs:
    """The loss with its gradient, and detached figures about it."""

    loss: torch.Tensor
    """Scalar; lower is better."""
    metrics: dict[str, torch.Tensor]
    """Scalars over these inputs, as `policy_loss` describes them."""


@dataclass(frozen=True)
class _Tokens:
    """The inputs with zeros wherever `mask` is false; all (B, T)."""

    mask: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    ratio: torch.Tensor
    selected: torch.Tensor
    target: torch.Tensor
    """Log-probabilities by the policy that the chosen tokens are held to."""
    reference: torch.Tensor | None


def policy_loss(inputs: LossInputs, config: LossConfig) -> LossOutputs:
    """Loss to descend on, summed over these inputs and divided by the normaliser.

    With the normaliser of the optimizer batch, the losses of its micro-batches sum to the loss of the whole. A sequence
    without a token of its own counts as one of loss zero. Metrics, each a mean over the tokens of these inputs if
    nothing else is said, and 0 where there is none:

    - `clip_ratio`: share whose ratio lies outside the bounds on the side that the advantage pulls to;
    - `entropy`, if given, in nats; `kl`, with a reference: k3, uncorrected, aggregated as the loss is;
    - with a selection: `coverage/tokens`, how many are chosen; `coverage/covariance`, mean over the chosen ones;
      `coverage/kl_selected` and `coverage/kl_rest`: abs(log p - log p_target) whatever the estimator, so that runs
      compare. The target of the rule clip, which holds to none, is the old policy.

    Raises DataError for shapes that do not fit; ConfigError where the config needs a reference or a selection that is
    not there.
    """
    _check(inputs, config)
    tokens, coverage = _at_the_door(inputs, config), config.coverage
    losses = surrogate(tokens.ratio, tokens.advantages, config)
    if coverage.coefficient > 0 and coverage.rule == "clip":
        losses = losses.masked_fill(tokens.selected, 0.0)
    elif coverage.coefficient > 0:
        distance = kl(tokens.log_probs, tokens.target, estimator=coverage.estimator)
        losses = losses + coverage.coefficient * distance.where(tokens.selected, 0.0)
    if config.beta > 0 and tokens.reference is not None:
        divergence = kl(tokens.log_probs, tokens.reference, estimator="k3")
        losses = losses + config.beta * (divergence * tokens.ratio if config.correct_kl else divergence)
    loss = aggregate(losses, tokens.mask, aggregation=config.aggregation, normaliser=inputs.normaliser)
    with torch.no_grad():
        return LossOutputs(loss, _metrics(tokens, inputs, config=config))


def surrogate(ratio: torch.Tensor, advantages: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """-min(r A, clip(r) A) for each token (B, T), of `ratio` (B, T) and `advantages` (B, T)."""
    return -torch.min(ratio * advantages, _bounded(ratio, config) * advantages)


def clipped(ratio: torch.Tensor, advantages: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """Tokens (B, T) that pass no gradient, their `ratio` (B, T) being out of bounds on the side that the advantage,
    (B,), (B, 1) or (B, T), pulls to. Clip-Cov chooses among the others."""
    spread = per_token(advantages, ratio.shape)
    return _bounded(ratio, config) * spread < ratio * spread


def aggregate(
    losses: torch.Tensor, mask: torch.Tensor, *, aggregation: str, normaliser: float | torch.Tensor | None = None
) -> torch.Tensor:
    """Scalar of the losses (B, T), which are zero wherever `mask` (B, T) is false; see LossConfig and LossInputs."""
    if aggregation == "token":
        total, count = losses.sum(), mask.sum()
    else:
        total, count = (losses.sum(1) / mask.sum(1).clamp(min=1)).sum(), len(mask)
    divisor = torch.as_tensor(count if normaliser is None else normaliser, dtype=losses.dtype, device=losses.device)
    # A batch in which the agent said nothing has nothing to learn from, and is no reason to stop.
    return total / torch.where(divisor > 0, divisor, 1.0)


def _check(inputs: LossInputs, config: LossConfig) -> None:
    shape, coverage = inputs.log_probs.shape, config.coverage
    for name in ("old_log_probs", "mask", "reference_log_probs", "selected", "entropies", "covariances"):
        values = getattr(inputs, name)
        if values is not None and values.shape != shape:
            raise DataError(f"got {name} of shape {tuple(values.shape)}; wanted {tuple(shape)}, that of log_probs")
    if coverage.coefficient > 0 and inputs.selected is None:
        raise ConfigError("got a coverage coefficient and no selected tokens; choose them, or set the coefficient to 0")
    held = inputs.selected is not None and coverage.holds_to_reference
    if inputs.reference_log_probs is None and (config.beta > 0 or held):
        wants = "beta" if config.beta > 0 else "the coverage target reference"
        raise ConfigError(f"got {wants} and no log-probabilities of a reference model; give those, or do without")


def _at_the_door(inputs: LossInputs, config: LossConfig) -> _Tokens:
    mask = inputs.mask.bool()

    def valid(values: torch.Tensor) -> torch.Tensor:
        return values.masked_fill(~mask, 0.0)

    log_probs = valid(inputs.log_probs)
    old = log_probs.detach() if inputs.old_log_probs is None else valid(inputs.old_log_probs.detach())
    reference = None if inputs.reference_log_probs is None else valid(inputs.reference_log_probs.detach())
    target = reference if config.coverage.holds_to_reference else old
    return _Tokens(
        mask=mask,
        log_probs=log_probs,
        advantages=valid(per_token(inputs.advantages.detach(), mask.shape)),
        ratio=(log_probs - old).exp(),
        selected=torch.zeros_like(mask) if inputs.selected is None else inputs.selected.bool() & mask,
        target=old if target is None else target,
        reference=reference,
    )


def _bounded(ratio: torch.Tensor, config: LossConfig) -> torch.Tensor:
    if config.clip_low is None and config.clip_high is None:
        return ratio
    low = None if config.clip_low is None else 1 - config.clip_low
    return ratio.clamp(low, None if config.clip_high is None else 1 + config.clip_high)


def _metrics(tokens: _Tokens, inputs: LossInputs, *, config: LossConfig) -> dict[str, torch.Tensor]:
    mask, selected, log_probs = tokens.mask, tokens.selected, tokens.log_probs
    metrics = {"clip_ratio": _mean(clipped(tokens.ratio, tokens.advantages, config), mask)}
    if inputs.entropies is not None:
        metrics["entropy"] = _mean(inputs.entropies, mask)
    if tokens.reference is not None:
        divergence = kl(log_probs, tokens.reference, estimator="k3")
        metrics["kl"] = aggregate(divergence, mask, aggregation=config.aggregation)
    if inputs.selected is not None:
        distance = kl(log_probs, tokens.target, estimator="abs")
        values = inputs.covariances
        metrics["coverage/tokens"] = selected.sum().float()
        metrics["coverage/covariance"] = _mean(
            covariance(log_probs, tokens.advantages, mask) if values is None else values, selected
        )
        metrics["coverage/kl_selected"] = _mean(distance, selected)
        metrics["coverage/kl_rest"] = _mean(distance, mask & ~selected)
    return metrics


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the values where `mask` is true, whatever lies elsewhere; 0 where it never is."""
    return values.detach().where(mask, 0.0).sum() / mask.sum().clamp(min=1)
