"""Log-probabilities of rollouts, piece by piece: what bounds memory and padding. Ours."""

from collections.abc import Sequence
from typing import Any

import torch

from loupe.grpo.packing import Looks, joined, pack, pieces, score
from loupe.grpo.rollout import Rollout


def log_probs_of(
    model: Any,
    rollouts: Sequence[Rollout],
    *,
    inner: Any,
    pad_id: int,
    shared: bool,
    at_once: bool,
    entropy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities (B, C) of rollouts, and entropies where asked for; C is that of the longest one.

    `inner` is `model` without what wraps it. `at_once` computes all in one forward: with several processes each forward
    is one of all of them, and they may differ in how many pieces they have.
    """
    scored: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for part in [rollouts] if at_once else pieces(rollouts):
        halves = [
            score(model, pack(inner, part, pad_id=pad_id, shared=shared, looks=looks), entropy=entropy)
            for looks in ((Looks.ALL,) if at_once else in_halves(part))
        ]
        scored.append(halves[0] if len(halves) == 1 else _added(*halves))
    entropies = [made for _, made in scored if made is not None]
    return joined([made for made, _ in scored]), joined(entropies) if entropies else None


def in_halves(rollouts: Sequence[Rollout]) -> tuple[Looks, ...]:
    """The looks to compute one after the other: a later segment is a sequence of its own, and beside the long ones of
    whole groups it would be padding for the most part."""
    return (Looks.FIRST, Looks.LATER) if any(item.later for item in rollouts) else (Looks.ALL,)


def _added(
    first: tuple[torch.Tensor, torch.Tensor | None], later: tuple[torch.Tensor, torch.Tensor | None]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Each has zeros where the other has numbers."""
    entropies = None if first[1] is None or later[1] is None else first[1] + later[1]
    return first[0] + later[0], entropies
