"""What the logits of a training step say beside its loss: the loss of each look, and how often a field is right.

TRL's fused output layer scores each label once; the numbers here are sums over what it found, so they cost no second
pass. Sums are kept over the steps between two lines of the log, and over processes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from loupe.sft.learned import FIELDS

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""The sum of a tensor over all processes."""


class Figures:
    """Sums over batches; `rounds` is the most looks that an example has."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._loss = torch.zeros((2, self.rounds + 1), dtype=torch.float64)
        self._hits = torch.zeros((2, len(FIELDS) + 1), dtype=torch.float64)

    @torch.no_grad()
    def add(self, scored: Any, rounds: torch.Tensor, fields: torch.Tensor) -> None:
        """A batch: what the fused output layer found, and the look and the field of each id (B, T)."""
        mask = scored.label_mask
        look, field = rounds[:, 1:][mask].cpu(), fields[:, 1:][mask].cpu()
        ones = torch.ones(len(look), dtype=torch.float64)
        self._loss[0].index_add_(0, look, -scored.log_probs[mask].double().cpu())
        self._loss[1].index_add_(0, look, ones)
        self._hits[0].index_add_(0, field, scored.is_top1[mask].double().cpu())
        self._hits[1].index_add_(0, field, ones)

    def means(self, reduce: Reduce) -> dict[str, float]:
        """loss, loss_round1, … in nats a token, and rating_accuracy, class_accuracy and box_accuracy, the share of a
        field's ids that the model would have written given those before. What no token counted for is left out."""
        sums = reduce(torch.cat([self._loss, self._hits], dim=1))
        loss, hits = sums[:, : self.rounds + 1], sums[:, self.rounds + 1 :]
        made: Mapping[str, torch.Tensor] = {
            "loss": loss.sum(1),
            **{f"loss_round{look}": loss[:, look] for look in range(1, self.rounds + 1)},
            **{f"{name}_accuracy": hits[:, place] for place, name in enumerate(FIELDS, 1)},
        }
        return {name: (pair[0] / pair[1]).item() for name, pair in made.items() if pair[1] > 0}
