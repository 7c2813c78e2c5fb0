"""Attention that knows groups: what the mask of `loupe.core.model.packed` says, without computing what it forbids.

A dense mask over a prompt and its K continuations makes each continuation look at the K − 1 others, only to forget
them. Here the prompt attends to itself, and each continuation to the prompt and to itself: the same numbers for less
than half the work. It is plugged into transformers by its own registry of attention functions, so the model's layers
stay the library's. What continuations there are is said by `segments` in training, where they are there at once, and by
`recall` in sampling, where they grow; without both it is the library's SDPA. Ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from loupe.core.model.last_layer import is_last
from loupe.core.model.packed import GROUPED, attention_of, real_of, set_attention
from loupe.core.model.recall import Reading, Recall, attention, causal_mask


@dataclass(frozen=True)
class Segments:
    """Where continuations stand in packed rows of T columns: the first `prompt` columns hold prompts, padded in front.

    columns (B, K, C): the column of each token of each continuation, and the first one's where there is none.
    prompt_real (B, P) marks the prompts' tokens, or None where all are real. places (B, T − P) is the inverse of
    columns: the flat place K · C of what stands in a column behind the prompt.
    """

    prompt: int
    columns: torch.Tensor
    places: torch.Tensor
    prompt_real: torch.Tensor | None

    @classmethod
    def of(cls, prompts: list[int], continuations: list[list[int]], *, device: torch.device) -> "Segments":
        """Segments of groups: the length of each prompt, and of each of its continuations; groups may differ."""
        prompt, count = max(prompts), max(map(len, continuations))
        longest = max(max(lengths) for lengths in continuations)
        width = max(map(sum, continuations))
        columns = torch.full((len(prompts), count, longest), prompt)
        # A column of padding reads any place that exists; nobody reads the column.
        places = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, lengths in enumerate(continuations):
            start = 0
            for number, length in enumerate(lengths):
                columns[row, number, :length] = torch.arange(prompt + start, prompt + start + length)
                places[row, start : start + length] = torch.arange(number * longest, number * longest + length)
                start += length
        real = real_of(prompts)
        return cls(prompt, columns.to(device), places.to(device), None if real is None else real.to(device))


def grouped_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: Segments | None = None,
    recall: Reading | Recall | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """query (B, heads, T, width), key and value (B, fewer heads, T, width) → (B, T, heads, width), None.

    In the last layer the outputs of a prompt are zero with `segments`, and but for its end with a prompt that is read.
    """
    if recall is not None:
        return recall.attend(module, query, key, value).transpose(1, 2), None
    if segments is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    parts = _Attention(query, key, value, dropout, scaling)
    # Of the last layer's prompt nothing but keys and values is wanted.
    prompt = torch.zeros_like(query[:, :, : segments.prompt]) if is_last(module) else parts.prompt(segments)
    return torch.cat([prompt, parts.continuations(segments)], dim=2).transpose(1, 2), None


def use_grouped_attention(model: Any) -> None:
    """Let the language model attend by groups, where its attention is SDPA; the vision tower keeps its own."""
    if attention_of(model) == "sdpa":
        set_attention(model, GROUPED)


@contextmanager
def grouped(model: Any) -> Iterator[None]:
    """The language model attends by groups for as long, whatever its own attention is."""
    own = attention_of(model)
    set_attention(model, GROUPED)
    try:
        yield
    finally:
        set_attention(model, own)


class _Attention:
    """The two halves of attention by groups."""

    def __init__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float, scaling: float | None
    ) -> None:
        self.query, self.key, self.value = query, key, value
        self.settings: Any = {"dropout": dropout, "scaling": scaling}

    def prompt(self, segments: Segments) -> torch.Tensor:
        """(B, heads, P, width): each token of a prompt sees those before it."""
        query, key, value = (part[:, :, : segments.prompt] for part in (self.query, self.key, self.value))
        mask = None if segments.prompt_real is None else causal_mask(segments.prompt_real)
        return attention(query, key, value, mask, **self.settings)

    def continuations(self, segments: Segments) -> torch.Tensor:
        """(B, heads, T − P, width): each continuation sees the prompt, and itself up to each token."""
        rows, count, longest = segments.columns.shape
        query = _taken(self.query, segments.columns)
        key, value = (
            torch.cat([_for_each(part[:, :, : segments.prompt], count), _taken(part, segments.columns)], dim=2)
            for part in (self.key, self.value)
        )
        mixed = attention(query, key, value, self._mask(segments), **self.settings)
        heads, width = mixed.shape[1], mixed.shape[3]
        flat = mixed.reshape(rows, count, heads, longest, width).transpose(1, 2).reshape(rows, heads, -1, width)
        index = segments.places[:, None, :, None].expand(-1, heads, -1, width)
        return flat.gather(2, index)

    def _mask(self, segments: Segments) -> torch.Tensor:
        """(B · K or 1, 1, C, P + C); padding at the end of a continuation is seen by itself alone."""
        rows, count, longest = segments.columns.shape
        own = torch.ones((longest, longest), dtype=torch.bool, device=self.query.device).tril()
        if segments.prompt_real is None:
            return torch.cat([own.new_ones((longest, segments.prompt)), own], dim=1)[None, None]
        shown = segments.prompt_real[:, None, None].expand(rows, count, longest, -1)
        both = torch.cat([shown, own.expand(rows, count, -1, -1)], dim=-1)
        return both.reshape(rows * count, 1, longest, -1)


def _taken(tensor: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """(B · K, heads, C, width): the columns (B, K, C) of a tensor (B, heads, T, width)."""
    rows, count, longest = columns.shape
    heads, width = tensor.shape[1], tensor.shape[3]
    index = columns.reshape(rows, 1, -1, 1).expand(-1, heads, -1, width)
    taken = tensor.gather(2, index).reshape(rows, heads, count, longest, width)
    return taken.transpose(1, 2).reshape(rows * count, heads, longest, width)


def _for_each(tensor: torch.Tensor, count: int) -> torch.Tensor:
    """(B · count, heads, P, width): the same once a continuation."""
    return tensor[:, None].expand(-1, count, -1, -1, -1).reshape(-1, *tensor.shape[1:])


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, sdpa_mask)
