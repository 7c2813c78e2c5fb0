"""Figures of a whole update from those of its micro-batches: means are of all its tokens, in all processes."""

from collections.abc import Mapping
from typing import Any

import torch

from loupe.grpo.micro_batch import MicroBatch

_TOKENS = "coverage/tokens"
"""A number of tokens, where the other figures of a loss are means."""


class UpdateFigures:
    """Adds up what each micro-batch says of itself, until the update is complete."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}

    def add(self, metrics: Mapping[str, torch.Tensor], batch: MicroBatch) -> None:
        """Take in what the loss says of a micro-batch, each figure with the number of tokens that it is a mean over."""
        own = batch.mask.sum().float()
        chosen = torch.zeros_like(own) if batch.selected is None else (batch.selected & batch.mask).sum().float()
        weights = {"coverage/kl_selected": chosen, "coverage/covariance": chosen, "coverage/kl_rest": own - chosen}
        for name, value in metrics.items():
            weight = weights.get(name, own)
            added = torch.stack([value.float() if name == _TOKENS else value.float() * weight, weight])
            self._sums[name] = self._sums.get(name, torch.zeros_like(added)) + added

    def complete(self, accelerator: Any) -> dict[str, float]:
        """The figures of the update; all processes have to call this. One that is a mean over nothing is left out."""
        names = sorted(self._sums)
        table: Any = accelerator.reduce(torch.stack([self._sums[name] for name in names]), reduction="sum")
        self._sums = {}
        sums = zip(names, table.tolist(), strict=True)
        return {name: total if name == _TOKENS else total / weight for name, (total, weight) in sums if weight}
