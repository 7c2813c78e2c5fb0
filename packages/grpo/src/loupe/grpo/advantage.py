"""Group-relative advantages: how much better a completion did than the others of its prompt.

GRPO (Shao et al. 2024, DeepSeekMath, Eq. 21): A = (r - mean) / (std + epsilon) over the completions of one prompt, std
with one degree of freedom less, as in Q-Insight, VisualQuality-R1 and TRL. Dividing by the std of the batch, or by
nothing (Liu et al. 2025, Dr. GRPO), keeps the groups on which the completions hardly differ from being blown up.

Ours, where the papers and their code are silent: a missing reward (NaN) is left out of its group and gets no advantage,
and a group whose rewards are all equal, a dead one, gets exactly zero, so that it can be counted and left out.
"""

from collections.abc import Sequence

import torch

from loupe.core.errors import ConfigError, DataError

SCALES = ("group", "batch", "none")
_ROUNDING = 1e-6
"""Rewards this near are equal: sums of the same terms in single precision differ by less."""


def group_advantages(
    rewards: torch.Tensor | Sequence[float], num_generations: int, *, epsilon: float = 1e-4, scale: str = "group"
) -> torch.Tensor:
    """Advantages (N,), higher is better, of `rewards` (N,): groups of `num_generations` lie one after the other.

    NaN is a completion that nothing could score; its advantage is 0, as are those of a dead group. `scale` names what
    the distance from the group's mean is divided by: the std of the `group` or of the whole `batch`, each plus
    `epsilon`, or nothing (`none`). Raises ConfigError for a scale that is none and for rewards that make no whole
    groups, DataError for an infinite reward.
    """
    if scale not in SCALES:
        raise ConfigError(f"got the advantage scale {scale!r}; wanted one of {', '.join(SCALES)}")
    given = torch.as_tensor(rewards)
    groups = _grouped(given, num_generations)
    advantages = groups - groups.nanmean(1, keepdim=True)
    if scale != "none":
        advantages = advantages / (_std(groups if scale == "group" else groups.flatten()) + epsilon)
    counted = _live(groups)[:, None] & ~groups.isnan()
    dtype = given.dtype if given.is_floating_point() else torch.get_default_dtype()
    return advantages.where(counted, 0.0).flatten().to(given.device, dtype)


def live_groups(rewards: torch.Tensor | Sequence[float], num_generations: int) -> torch.Tensor:
    """Which groups (groups,) have rewards that differ, and so something to learn from; a group of one never has.

    Raises as `group_advantages` does.
    """
    given = torch.as_tensor(rewards)
    return _live(_grouped(given, num_generations)).to(given.device)


def per_token(advantages: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Advantages (B,), (B, 1) or (B, T), spread over tokens of `shape` (B, T)."""
    return (advantages[:, None] if advantages.dim() == 1 else advantages).expand(shape)


def _grouped(rewards: torch.Tensor, num_generations: int) -> torch.Tensor:
    """Rewards (groups, num_generations) in double precision, on the CPU: not every accelerator has doubles."""
    if num_generations < 1 or rewards.dim() != 1 or len(rewards) % num_generations:
        raise ConfigError(
            f"got rewards of shape {tuple(rewards.shape)} for groups of {num_generations}; wanted one reward a "
            "completion, whole groups, and at least one completion in each"
        )
    groups = rewards.detach().cpu().double().view(-1, num_generations)
    if groups.isinf().any():
        raise DataError("got an infinite reward; wanted a number, or NaN for a completion that nothing could score")
    return groups


def _std(values: torch.Tensor) -> torch.Tensor:
    """Unbiased std over the last axis (kept), without NaN; 0 where fewer than two values are left."""
    usable = ~values.isnan()
    squares = (values - values.nanmean(-1, keepdim=True)).where(usable, 0.0).square().sum(-1, keepdim=True)
    return (squares / (usable.sum(-1, keepdim=True) - 1).clamp(min=1)).sqrt()


def _live(groups: torch.Tensor) -> torch.Tensor:
    missing = groups.isnan()
    spread = groups.masked_fill(missing, -torch.inf).amax(1) - groups.masked_fill(missing, torch.inf).amin(1)
    return spread > _ROUNDING * groups.nan_to_num(0.0).abs().amax(1).clamp(min=1.0)
