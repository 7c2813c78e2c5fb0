"""Several continuations of one prompt in one sequence: the prompt stands there once, and who may see what is explicit.

A group is a row of tokens, each with an owner: the prompt belongs to all (`SHARED`), a token that one sample wrote or
was shown belongs to that sample, and padding belongs to nobody. A token sees what came before it and is shared or its
own. With explicit positions (each continuation begins right after the prompt), keys, values and log-probabilities
are those of the samples taken one by one, at the cost of one prompt. Ours; any attention that takes a mask of four
dimensions can do it.
"""

from collections.abc import Sequence
from typing import Any

import torch

from loupe.core.model.encode import Encoded, pictures

GROUPED = "grouped_sdpa"
"""Name of the attention that `loupe.core.model.grouped_attention` registers."""
SHARED, PAD = -1, -2
"""Owners of a prompt's tokens and of padding; samples are 0, 1, …"""


def base_of(model: Any) -> Any:
    """The model of the library itself, without an adapter's wrapper around it; the adapter's layers stay active."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def attention_of(model: Any) -> str:
    """Name of the language model's attention."""
    return base_of(model).config.get_text_config()._attn_implementation  # noqa: SLF001  - the library has no reader


def set_attention(model: Any, name: str) -> None:
    """Give the language model another attention; its layers look up the name each time."""
    base_of(model).config.get_text_config()._attn_implementation = name  # noqa: SLF001  - its setter checks what loading has checked


def takes_packed(model: Any) -> bool:
    """True where the model's attention takes a mask of four dimensions."""
    return attention_of(model) in ("sdpa", "eager", GROUPED)


def visible(owners: torch.Tensor, *, model: Any) -> torch.Tensor:
    """Attention mask (B, 1, T, T) for owners (B, T).

    Padding sees padding, itself included, for a token that saw nothing would come out as not a number.
    """
    order = torch.arange(owners.shape[1], device=owners.device)
    mask = ((owners[:, None] == owners[:, :, None]) | (owners[:, None] == SHARED)) & (order <= order[:, None])
    if attention_of(model) == "eager":
        dtype = base_of(model).dtype
        return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)[:, None]
    return mask[:, None]


def real_of(lengths: Sequence[int]) -> torch.Tensor | None:
    """Which columns (B, T) of sequences padded in front are no padding; None where all are of one length."""
    longest = max(lengths)
    return None if min(lengths) == longest else torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]


def no_mask(device: torch.device) -> torch.Tensor:
    """What the library takes for a mask that is made already, for attention that goes by something else."""
    return torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)


def positions_of(model: Any, ids: torch.Tensor, grid_thw: torch.Tensor | None, attention: torch.Tensor) -> torch.Tensor:
    """Rotary positions (3, B, T) of rows that begin at 0; ids and attention (B, T), grid_thw (images, 3) of all rows.

    A token after an image is not at its place in the sequence, because an image takes as many positions as its longer
    side, so positions are the library's own.
    """
    inner = base_of(model)
    positions, _ = inner.model.get_rope_index(
        ids,
        image_grid_thw=grid_thw,
        attention_mask=attention,
        mm_token_type_ids=(ids == inner.config.image_token_id).long(),
    )
    return positions


def positions_from_zero(model: Any, parts: Sequence[Encoded]) -> list[torch.Tensor]:
    """Positions (3, T) of each part, as if it stood alone."""
    lengths = [len(part.input_ids) for part in parts]
    ids = torch.zeros((len(parts), max(lengths)), dtype=torch.long)
    attention = torch.zeros_like(ids)
    for row, part in enumerate(parts):
        ids[row, : lengths[row]] = torch.tensor(part.input_ids)
        attention[row, : lengths[row]] = 1
    made = positions_of(model, ids, pictures(parts).get("image_grid_thw"), attention)
    return [made[:, row, :length] for row, length in enumerate(lengths)]
