"""KL-coverage: a brake on the few tokens that drive entropy down.

Where a token is likely already and its completion did well, an update makes it still likelier; the tokens with the
highest covariance between log-probability and advantage account for most of the loss of entropy (Cui et al. 2025, The
Entropy Mechanism of RL, KL-Cov). Those tokens get a penalty on their distance from the policy that sampled them.
Zoom-IQA names a "KL-Coverage loss" without giving its form; this rule and its numbers are ours.
"""

from dataclasses import dataclass

import torch


@dataclass
class CoverageConfig:
    """The KL-coverage regulariser."""

    coefficient: float = 0.0
    """Weight of the penalty; 0 turns it off."""
    fraction: float = 0.002
    """Share of a micro-batch's tokens that are held back, those with the highest covariance."""


def select_tokens(
    log_probs: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor, *, fraction: float
) -> torch.Tensor:
    """The tokens with the highest (A − mean A)(log p − mean log p), as a mask (B, T).

    log_probs (B, T), advantages (B,), mask (B, T) bool of the agent's own tokens. At least one token is chosen where
    any is valid; rows without advantage are never chosen and do not enter the means.
    """
    valid = mask & (advantages != 0)[:, None]
    chosen = torch.zeros_like(valid)
    count = int(valid.sum())
    if count == 0:
        return chosen
    advantage = advantages[:, None].expand_as(log_probs)[valid]
    log_prob = log_probs.detach()[valid]
    covariance = (advantage - advantage.mean()) * (log_prob - log_prob.mean())
    picked = torch.zeros(count, dtype=torch.bool, device=valid.device)
    # A stable sort breaks ties by position, the same way on every machine.
    picked[covariance.argsort(descending=True, stable=True)[: max(1, int(fraction * count))]] = True
    chosen[valid] = picked
    return chosen


def coverage_penalty(log_probs: torch.Tensor, old_log_probs: torch.Tensor, selected: torch.Tensor) -> torch.Tensor:
    """Sum of |log p − log p_old| over the selected tokens; all (B, T). Zero for the policy that sampled them."""
    return (log_probs - old_log_probs)[selected].abs().sum()
