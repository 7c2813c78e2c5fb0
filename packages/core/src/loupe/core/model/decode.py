"""Sampling from a vision-language model, a batch at a time: prefill once, then one token a step for every live row.

`generate` of transformers spends most of its time on bookkeeping when the model is small. This loop keeps a cache, lets
finished rows leave the batch, and draws each row's tokens from that row's own random numbers by inverting the
cumulative distribution, so that a completion does not depend on which other rows share the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from loupe.core.model.rating_reader import RatingReader


@dataclass(frozen=True)
class Decoding:
    """How to sample. Temperature 0 takes the most probable token."""

    max_new_tokens: int
    temperature: float
    stop_ids: tuple[int, ...]
    suppress_ids: tuple[int, ...]


@dataclass
class Completion:
    """What one row wrote, end token included; `expected_rating` (1..5) where a `RatingReader` could read it."""

    token_ids: list[int]
    stopped: bool = False
    expected_rating: float | None = None


@dataclass
class _Live:
    """The rows that are still writing: `index` says which of the batch they are, the rest is what a step needs.

    logits (rows, V) for the next token, last (rows,) token so far, place (rows,) of that token, attention (rows, T).
    """

    index: list[int]
    logits: torch.Tensor
    last: torch.Tensor
    place: torch.Tensor
    attention: torch.Tensor
    cache: Any


@torch.no_grad()
def decode(
    model: Any,
    batch: dict[str, torch.Tensor],
    decoding: Decoding,
    *,
    seeds: Sequence[Sequence[int]],
    reader: RatingReader | None = None,
) -> list[Completion]:
    """One completion for each left-padded row of `batch`; `seeds` has one sequence of integers a row."""
    done = [Completion([]) for _ in seeds]
    uniform = np.stack([np.random.default_rng(list(seed)).random(decoding.max_new_tokens) for seed in seeds])
    live = _prefill(model, batch)
    for step in range(decoding.max_new_tokens):
        live.logits[:, list(decoding.suppress_ids)] = -torch.inf
        if reader is not None:
            for row, expected in reader.read(live.last, live.logits):
                done[live.index[row]].expected_rating = expected
        live.last = _choose(live.logits, decoding.temperature, uniform[live.index, step])
        for row, token in enumerate(live.last.tolist()):
            done[live.index[row]].token_ids.append(token)
            done[live.index[row]].stopped = token in decoding.stop_ids
        going = [row for row, index in enumerate(live.index) if not done[index].stopped]
        if not going or step + 1 == decoding.max_new_tokens:
            break
        _keep(live, going)
        _advance(model, live)
    return done


def _prefill(model: Any, batch: dict[str, torch.Tensor]) -> _Live:
    """All rows after their prompt. Positions are computed here, because a text token after an image is not at its
    place in the sequence: the image takes as many positions as its longer side."""
    inner = (model.get_base_model() if hasattr(model, "get_base_model") else model).model
    positions, _ = inner.get_rope_index(
        batch["input_ids"],
        image_grid_thw=batch.get("image_grid_thw"),
        attention_mask=batch["attention_mask"],
        mm_token_type_ids=batch["mm_token_type_ids"],
    )
    output = model(**batch, position_ids=positions, use_cache=True, logits_to_keep=1)
    return _Live(
        index=list(range(len(batch["input_ids"]))),
        logits=output.logits[:, -1].float(),
        last=batch["input_ids"][:, -1],
        place=positions.amax(dim=(0, 2)),
        attention=batch["attention_mask"],
        cache=output.past_key_values,
    )


def _keep(live: _Live, going: list[int]) -> None:
    """Let the finished rows leave the batch."""
    if len(going) == len(live.index):
        return
    keep = torch.tensor(going, device=live.last.device)
    live.index = [live.index[row] for row in going]
    live.last, live.place, live.attention = live.last[keep], live.place[keep], live.attention[keep]
    live.cache.batch_select_indices(keep)


def _advance(model: Any, live: _Live) -> None:
    """One step: from the last token of each row to the logits of its next one."""
    live.place = live.place + 1
    live.attention = torch.cat([live.attention, live.attention.new_ones(len(live.index), 1)], dim=1)
    output = model(
        input_ids=live.last[:, None],
        attention_mask=live.attention,
        position_ids=live.place.expand(3, -1)[..., None],
        past_key_values=live.cache,
        use_cache=True,
    )
    live.logits = output.logits[:, -1].float()


def _choose(logits: torch.Tensor, temperature: float, uniform: np.ndarray[Any, Any]) -> torch.Tensor:
    """Next token of each row. logits (B, V); uniform (B,) in [0, 1)."""
    if temperature == 0:
        return logits.argmax(-1)
    # In double precision the last cumulative value is 1 to within 1e-12, so no draw falls off the end.
    cumulative = torch.softmax(logits.double() / temperature, dim=-1).cumsum(-1)
    draw = torch.from_numpy(uniform).to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, draw, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
