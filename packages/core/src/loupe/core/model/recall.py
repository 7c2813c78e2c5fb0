"""Attention over what a batch has read: a prompt once a group, and what each of its samples wrote once a sample.

A cache with a row a sample holds and reads each prompt K times; a cache with a row a group makes every sample look at
what the K − 1 others wrote. Here the two kinds of keys lie apart and meet in one softmax, so that a step costs what is
visible and no more; where many tokens come at once, as a crop does, a prompt is copied for them, one layer at a time.
`grouped_attention` hands over each layer's new queries, keys and values. Ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional as F

from loupe.core.model.growing_cache import Growing
from loupe.core.model.last_layer import is_last

_SPANS, _SPAN = 4, 32
"""A prompt is attended in this many runs of queries on a CPU, if that leaves so many to each."""

Pair = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of a layer, each (rows, heads, T, width)."""


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    scaling: float | None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The library's attention, causal without a mask, for fewer heads of keys than of queries."""
    shared = query.device.type == "cpu" or mask is None
    if not shared:
        # Off the CPU a mask and shared heads together fall back to the slowest kernel.
        copies = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(copies, dim=1), value.repeat_interleave(copies, dim=1)
    settings: Any = {"dropout_p": dropout, "scale": scaling, "enable_gqa": shared}
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None, **settings)


def causal_mask(real: torch.Tensor) -> torch.Tensor:
    """(B, 1, T, T) for sequences padded in front; padding sees padding, for who sees nothing is not a number."""
    order = torch.arange(real.shape[1], device=real.device)
    return ((order <= order[:, None]) & (real[:, None] == real[:, :, None]))[:, None]


@dataclass
class Reading:
    """Prompts that go through the model for the first time, a row each, padded in front; `real` (G, P) marks what is
    not padding, None where there is none. `layers` fills up."""

    real: torch.Tensor | None
    layers: list[Pair] = field(default_factory=list[Pair])
    _mask: torch.Tensor | None = None

    def attend(self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """(G, heads, P, width) of one layer's attention; in the last layer of the prompts' last tokens alone."""
        # Each head's columns one after the other, for each step will read them all.
        self.layers.append((key.contiguous(), value.contiguous()))
        count = query.shape[2]
        spans = [(count - 1, count)] if is_last(module) else _spans(count, query.device)
        parts = [
            attention(
                query[:, :, start:end],
                key[:, :, :end],
                value[:, :, :end],
                self._upto(start, end, count, query.device),
                scaling=module.scaling,
            )
            for start, end in spans
        ]
        mixed = torch.cat(parts, dim=2)
        return F.pad(mixed, (0, 0, count - mixed.shape[2], 0))

    def _upto(self, start: int, end: int, count: int, device: torch.device) -> torch.Tensor | None:
        """What the tokens from `start` to `end` see of those up to `end`; None for plain causality."""
        if self.real is None and end - start == count:
            return None
        if self._mask is None:
            every = torch.ones((1, count), dtype=torch.bool, device=device)
            self._mask = causal_mask(every if self.real is None else self.real)
        return self._mask[:, :, start:end, :end]


def _spans(count: int, device: torch.device) -> list[tuple[int, int]]:
    """Runs of queries to attend one after the other: the CPU's kernel computes most of what causality forbids, too."""
    step = max(_SPAN, -(-count // _SPANS)) if device.type == "cpu" else count
    return [(start, min(start + step, count)) for start in range(0, count, step)]


class Recall:
    """What R samples of G groups have before them: `prompts` (G rows), and their own columns, which grow."""

    def __init__(
        self,
        prompts: list[Pair],
        prompt_real: torch.Tensor | None,
        own: list[Pair],
        real: torch.Tensor | None,
        groups: Sequence[int],
    ) -> None:
        """`prompt_real` (G, P) and `real` (R, C) as in `Reading`; `groups` are those of the R rows, in rising order."""
        self.prompts, self.prompt_real = prompts, prompt_real
        self.own = [(Growing(key), Growing(value)) for key, value in own]
        # Columns that come later than these are no padding.
        self.real = real
        self.length = own[0][0].shape[2]
        self._mask: torch.Tensor | None = None
        self._arrange(torch.tensor(groups, device=own[0][0].device))

    def expect(self, count: int, real: torch.Tensor | None) -> None:
        """Say what comes next: `count` tokens a row, of which those in `real` (R, count) exist, or all of them."""
        rows = len(self.groups)
        if real is not None:
            before = self.groups.new_ones((rows, self.length), dtype=torch.bool)
            if self.real is not None:
                before[:, : self.real.shape[1]] = self.real
            self.real = torch.cat([before, real], dim=1)
        self.length += count
        self._mask = self._lookback(count) if count > 1 else None

    def attend(self, module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """(R, heads, count, width) of one layer's attention."""
        layer, scaling = module.layer_idx, module.scaling
        keys, values = (held.append(new) for held, new in zip(self.own[layer], (key, value), strict=True))
        if query.shape[2] == 1:
            return self._one(layer, query, keys, values, scaling)
        prompt_key, prompt_value = (part[self.groups] for part in self.prompts[layer])
        together = torch.cat([prompt_key, keys], dim=2), torch.cat([prompt_value, values], dim=2)
        return attention(query, *together, self._mask, scaling=scaling)

    def keep(self, rows: torch.Tensor) -> torch.Tensor:
        """Let all but these rows go, and the prompts that nobody needs any more; returns the groups that stay."""
        for held in (part for pair in self.own for part in pair):
            held.keep(rows)
        if self.real is not None:
            self.real = self.real[rows]
        staying, groups = self.groups[rows].unique(return_inverse=True)
        if len(staying) < len(self.prompts[0][0]):
            self.prompts = [(key[staying], value[staying]) for key, value in self.prompts]
            self.prompt_real = None if self.prompt_real is None else self.prompt_real[staying]
        self._arrange(groups)
        return staying

    def own_columns(self, row: int) -> torch.Tensor:
        """The columns of a row that are not padding."""
        columns = torch.arange(self.length, device=self.groups.device)
        if self.real is None:
            return columns
        known = self.real.shape[1]
        return torch.cat([columns[:known][self.real[row]], columns[known:]])

    def _arrange(self, groups: torch.Tensor) -> None:
        """Find each row's slot in a table of groups by samples; `_slots` and `_back` are None where the rows are it."""
        self.groups = groups
        counts = groups.bincount()
        self._samples = int(counts.max())
        self._slots = self._back = None
        if int(counts.min()) < self._samples:
            first = counts.cumsum(0) - counts
            number = torch.arange(self._samples, device=groups.device)
            # An empty slot holds a copy of the group's last sample.
            self._slots = (first[:, None] + number.minimum(counts[:, None] - 1)).flatten()
            self._back = groups * self._samples + torch.arange(len(groups), device=groups.device) - first[groups]

    def _lookback(self, count: int) -> torch.Tensor:
        """Mask (R, 1, count, P + length): all of the prompt, and one's own columns up to each of the new tokens."""
        rows, start, prompt = len(self.groups), self.length - count, self.prompts[0][0].shape[2]
        order = torch.arange(self.length, device=self.groups.device)
        own = (order <= order[start:, None]).expand(rows, -1, -1)
        if self.real is not None:
            own = own & F.pad(self.real, (0, self.length - self.real.shape[1]), value=True)[:, None]
        shown = own.new_ones((rows, prompt)) if self.prompt_real is None else self.prompt_real[self.groups]
        return torch.cat([shown[:, None].expand(-1, count, -1), own], dim=2)[:, None]

    def _one(
        self, layer: int, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """One new token a row: the samples of a group ask its prompt together, and each its own columns.

        In float32 whatever the model's type, as inside the library's kernels: in bfloat16 a score of 64 is off by .2.
        """
        rows, heads, _, width = query.shape
        prompt_keys, prompt_values = (part.float() for part in self.prompts[layer])
        asked = (query.float() * scaling).reshape(rows, keys.shape[1], -1, width)
        shared = self._by_group(asked) @ prompt_keys.transpose(2, 3)
        if self.prompt_real is not None:
            shared = shared.masked_fill(~self.prompt_real[:, None, None], -torch.inf)
        own = asked @ keys.float().transpose(2, 3)
        if self.real is not None:
            own[..., : self.real.shape[1]].masked_fill_(~self.real[:, None, None], -torch.inf)
        weights = torch.cat([self._by_row(shared), own], dim=-1).softmax(-1)
        behind = prompt_keys.shape[2]
        mixed = self._by_row(self._by_group(weights[..., :behind]) @ prompt_values)
        mixed = mixed + weights[..., behind:] @ values.float()
        return mixed.reshape(rows, heads, 1, width).to(query.dtype)

    def _by_group(self, tensor: torch.Tensor) -> torch.Tensor:
        """(R, heads, copies, n) → (G, heads, samples · copies, n)."""
        tensor = tensor if self._slots is None else tensor[self._slots]
        _, heads, copies, last = tensor.shape
        table = tensor.reshape(-1, self._samples, heads, copies, last).transpose(1, 2)
        return table.reshape(-1, heads, self._samples * copies, last)

    def _by_row(self, tensor: torch.Tensor) -> torch.Tensor:
        """The inverse of `_by_group`."""
        _, heads, _, last = tensor.shape
        table = tensor.reshape(len(tensor), heads, self._samples, -1, last).transpose(1, 2)
        flat = table.reshape(-1, heads, table.shape[3], last)
        return flat if self._back is None else flat[self._back]
