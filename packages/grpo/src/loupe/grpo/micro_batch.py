"""Rollouts with all that a loss needs to know of them, and how they are cut into the batches of an update."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from loupe.grpo.rollout import Rollout, by_prompt


@dataclass(frozen=True)
class MicroBatch:
    """B rollouts whose completions have up to C tokens; the tensors are (B,) and (B, C).

    `mask` marks the agent's own tokens, `alive` the rollouts of groups that teach. `old_log_probs` are those of the
    policy that sampled, `reference_log_probs` those of the reference, None where nobody needs it. `selected` and
    `covariances` are what coverage chose, once it has.
    """

    rollouts: Sequence[Rollout]
    advantages: torch.Tensor
    alive: torch.Tensor
    mask: torch.Tensor
    old_log_probs: torch.Tensor
    reference_log_probs: torch.Tensor | None = None
    selected: torch.Tensor | None = None
    covariances: torch.Tensor | None = None

    @property
    def numbers(self) -> torch.Tensor:
        """Place (B,) of each rollout among those of all processes."""
        return torch.tensor([item.number for item in self.rollouts], device=self.mask.device)

    def take(self, rows: Sequence[int]) -> "MicroBatch":
        """These rows alone, in this order."""
        index = torch.tensor(rows, dtype=torch.long, device=self.mask.device)
        fields = {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return replace(
            self,
            rollouts=[self.rollouts[row] for row in rows],
            **{name: value[index] for name, value in fields.items()},
        )

    def cut(self, width: int) -> "MicroBatch":
        """The first `width` tokens of each, which hold all that these rollouts have."""
        fields = {
            name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor) and value.dim() == 2
        }
        return replace(self, **{name: value[:, :width] for name, value in fields.items()})

    def wide(self, values: torch.Tensor) -> torch.Tensor:
        """Values (B, fewer) as wide as this batch; zeros follow."""
        return torch.nn.functional.pad(values, (0, self.mask.shape[1] - values.shape[1]))

    def seen(self, rows: Sequence[int], log_probs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, C) by the present policy of these rows, by the one that sampled of the others."""
        index = torch.tensor(rows, dtype=torch.long, device=self.mask.device)
        return self.old_log_probs.index_copy(0, index, self.wide(log_probs.detach().float()))

    def forward_rows(self, *, dead: bool) -> list[int]:
        """Rows that have to go through the model: all if the `dead` ones have a say, else those of groups that teach.

        One is always left, for in training by several processes each has to take part.
        """
        rows = list(range(len(self.rollouts))) if dead else self.alive.nonzero().flatten().tolist()
        return rows or [min(range(len(self.rollouts)), key=lambda row: self.rollouts[row].length)]


def own_tokens(rollouts: Sequence[Rollout], *, device: torch.device) -> torch.Tensor:
    """Mask (B, C) of the tokens that the agent wrote itself."""
    return _padded([item.wrote for item in rollouts], torch.bool).to(device)


def drawn_log_probs(rollouts: Sequence[Rollout], *, device: torch.device) -> torch.Tensor:
    """Log-probabilities (B, C) when the tokens were drawn, 0 on tokens that the agent did not write."""
    return _padded([item.log_probs or [] for item in rollouts], torch.float32, like=rollouts).to(device)


def in_groups(rollouts: Sequence[Rollout], *, generator: torch.Generator) -> list[int]:
    """All rows in a random order of prompts; the samples of a prompt stay together, so that they can share it."""
    groups = torch.arange(len(rollouts)).split([len(group) for group in by_prompt(rollouts)])
    order = torch.randperm(len(groups), generator=generator).tolist()
    return torch.cat([groups[place] for place in order]).tolist()


def _padded(
    rows: Sequence[Sequence[float]], dtype: torch.dtype, *, like: Sequence[Rollout] | None = None
) -> torch.Tensor:
    lengths = map(len, rows) if like is None else (item.length for item in like)
    out = torch.zeros((len(rows), max(lengths)), dtype=dtype)
    for number, row in enumerate(rows):
        out[number, : len(row)] = torch.tensor(row, dtype=dtype)
    return out
