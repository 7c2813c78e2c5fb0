"""Sampling from a vision-language model, a batch at a time: prefill once, then one token a step for every live row.

`generate` of transformers spends most of its time on bookkeeping when the model is small. This loop keeps a cache, lets
finished rows leave the batch, and draws each row's tokens from that row's own random numbers by inverting the cumulative
distribution, so that a completion does not depend on which other rows share the batch.
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
    """What one row wrote, end token included; `expected_rating` where a `RatingReader` could read it."""

    token_ids: list[int]
    stopped: bool = False
    expected_rating: float | None = None


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
    inner = (model.get_base_model() if hasattr(model, "get_base_model") else model).model
    done = [Completion([]) for _ in seeds]
    live = list(range(len(seeds)))
    uniform = np.stack([np.random.default_rng(list(seed)).random(decoding.max_new_tokens) for seed in seeds])
    positions, _ = inner.get_rope_index(
        batch["input_ids"],
        image_grid_thw=batch.get("image_grid_thw"),
        attention_mask=batch["attention_mask"],
        mm_token_type_ids=batch["mm_token_type_ids"],
    )
    attention = batch["attention_mask"]
    output = model(**batch, position_ids=positions, use_cache=True, logits_to_keep=1)
    cache = output.past_key_values
    place = positions.amax(dim=(0, 2))
    last = batch["input_ids"][:, -1]
    for step in range(decoding.max_new_tokens):
        logits = output.logits[:, -1].float()
        logits[:, list(decoding.suppress_ids)] = -torch.inf
        if reader is not None:
            for row, expected in reader.read(last, logits):
                done[live[row]].expected_rating = expected
        last = _choose(logits, decoding.temperature, uniform[live, step])
        for row, token in enumerate(last.tolist()):
            done[live[row]].token_ids.append(token)
            done[live[row]].stopped = token in decoding.stop_ids
        going = [row for row, index in enumerate(live) if not done[index].stopped]
        if not going or step + 1 == decoding.max_new_tokens:
            break
        if len(going) < len(live):
            keep = torch.tensor(going, device=last.device)
            live = [live[row] for row in going]
            last, place, attention = last[keep], place[keep], attention[keep]
            cache.batch_select_indices(keep)
        place = place + 1
        attention = torch.cat([attention, attention.new_ones(len(live), 1)], dim=1)
        output = model(
            input_ids=last[:, None],
            attention_mask=attention,
            position_ids=place.expand(3, -1)[..., None],
            past_key_values=cache,
            use_cache=True,
        )
    return done


def _choose(logits: torch.Tensor, temperature: float, uniform: np.ndarray[Any, Any]) -> torch.Tensor:
    """Next token of each row. logits (B, V); uniform (B,) in [0, 1)."""
    if temperature == 0:
        return logits.argmax(-1)
    # In double precision the last cumulative value is 1 to within 1e-12, so no draw falls off the end.
    cumulative = torch.softmax(logits.double() / temperature, dim=-1).cumsum(-1)
    draw = torch.from_numpy(uniform).to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, draw, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
