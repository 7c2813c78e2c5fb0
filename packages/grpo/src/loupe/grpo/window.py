"""The selection of KL-coverage over a whole optimizer batch: all its micro-batches, in all processes.

Shares and means that are taken micro-batch by micro-batch, as in the reference code, let the size of a micro-batch and
the number of processes change the update: at a share of .002 a batch of 8,192 tokens has 16 chosen ones, and the same
batch in 64 pieces has 64. Here the statistics are gathered, and rollouts stand in one order however they were dealt
out, so that ties are broken alike.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from loupe.grpo.coverage import CoverageConfig, covariance, select_tokens
from loupe.grpo.loss import LossConfig, clipped
from loupe.grpo.micro_batch import MicroBatch

_STEP = 1e-4
"""Nats that log-probabilities are rounded to: the same rollout in another batch differs by a hundredth of that, and on
nearly certain tokens such a difference would decide."""


def select(
    batches: Sequence[MicroBatch],
    log_probs: Sequence[torch.Tensor],
    config: LossConfig,
    *,
    seed: Sequence[int],
    accelerator: Any | None = None,
) -> list[MicroBatch]:
    """The batches with `selected` and `covariances` filled in; `log_probs` (B, C) of each by the present policy.

    With an `accelerator` the statistics are those of all processes, each of which has to call this. `seed` is for the
    rule that draws.
    """
    coverage, here = config.coverage, _Table.of(batches, log_probs)
    table = here if accelerator is None else here.gathered(accelerator)
    order = table.numbers.argsort()
    table = table.rows(order)
    eligible = ~clipped((table.log_probs - table.old).exp(), table.advantages, config)
    facts = ((table.log_probs / _STEP).round() * _STEP, table.advantages, table.mask)
    chosen = select_tokens(
        *facts,
        fraction=coverage.fraction,
        rule=coverage.rule,
        alive=table.alive,
        band=coverage.band,
        eligible=eligible,
        generator=_generator(coverage, seed),
    )
    values = covariance(*facts, alive=table.alive)
    places = torch.searchsorted(table.numbers, here.numbers)
    sizes, width = [len(batch.rollouts) for batch in batches], here.mask.shape[1]
    parts = (part[places, :width].split(sizes) for part in (chosen, values))
    return [replace(batch, selected=mine, covariances=its) for batch, mine, its in zip(batches, *parts, strict=True)]


class _Table:
    """What the selection is made from, all rows one after the other; the last four are (rows, C)."""

    def __init__(
        self, numbers: torch.Tensor, advantages: torch.Tensor, alive: torch.Tensor, *tokens: torch.Tensor
    ) -> None:
        self.numbers, self.advantages, self.alive = numbers, advantages, alive
        self.mask, self.log_probs, self.old = tokens

    @classmethod
    def of(cls, batches: Sequence[MicroBatch], log_probs: Sequence[torch.Tensor]) -> "_Table":
        return cls(
            torch.cat([batch.numbers for batch in batches]),
            torch.cat([batch.advantages for batch in batches]),
            torch.cat([batch.alive for batch in batches]),
            torch.cat([batch.mask for batch in batches]),
            torch.cat([part.detach().float() for part in log_probs]),
            torch.cat([batch.old_log_probs for batch in batches]),
        )

    def gathered(self, accelerator: Any) -> "_Table":
        padded = (accelerator.pad_across_processes(part, dim=1) for part in (self.mask.int(), self.log_probs, self.old))
        rest = (self.numbers, self.advantages, self.alive.int())
        numbers, advantages, alive, mask, log_probs, old = (accelerator.gather(part) for part in (*rest, *padded))
        return _Table(numbers, advantages, alive.bool(), mask.bool(), log_probs, old)

    def rows(self, order: torch.Tensor) -> "_Table":
        tokens = (self.mask[order], self.log_probs[order], self.old[order])
        return _Table(self.numbers[order], self.advantages[order], self.alive[order], *tokens)


def _generator(coverage: CoverageConfig, seed: Sequence[int]) -> torch.Generator | None:
    if coverage.rule != "clip":
        return None
    # A generator of its own, which no other draw of the run can move.
    return torch.Generator().manual_seed(hash(tuple(seed)) & (2**63 - 1))
