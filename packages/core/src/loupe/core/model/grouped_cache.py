"""The keys and values of groups: one prompt, and behind it what each of its samples has written and been shown.

A `Batch` is what goes through the model; its rows are groups, and each step feeds every live sample's new tokens at
once. A group that has nothing more to say leaves the batch and is parked as a `Group`; it may come back when its
samples are shown something new. So the prompt and its images are computed once a group, and nothing twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import Cache

from loupe.core.model.growing_cache import GrowingLayer
from loupe.core.model.packed import PAD, SHARED, base_of, visible


@dataclass(frozen=True)
class Group:
    """A parked group: keys and values (heads, T, width) of each layer, owners (T,) as in `loupe.core.model.packed`."""

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    owners: torch.Tensor

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return sum(part.nbytes for part in (*self.keys, *self.values))

    def of(self, samples: Sequence[int]) -> "Group":
        """The prompt and these samples alone."""
        keep = torch.isin(self.owners, torch.tensor([SHARED, *samples], device=self.owners.device)).nonzero().flatten()
        return Group([key[:, keep] for key in self.keys], [value[:, keep] for value in self.values], self.owners[keep])


@dataclass(frozen=True)
class Layout:
    """Where new tokens stand in a step. Flat over all tokens (N,): `group`, `column`, `owner`; `ends` (rows,) is the
    flat place of each row's last token. A row is a sample of a group, or its prompt; rows of a group stand together."""

    group: torch.Tensor
    column: torch.Tensor
    owner: torch.Tensor
    ends: torch.Tensor

    @cached_property
    def width(self) -> int:
        """Columns that the step needs."""
        return int(self.column.max()) + 1

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int]], lengths: Sequence[int], *, device: torch.device) -> "Layout":
        """Layout of rows (group, owner), sorted by group, with so many new tokens each."""
        used: dict[int, int] = {}
        group: list[int] = []
        column: list[int] = []
        owner: list[int] = []
        for (number, who), length in zip(rows, lengths, strict=True):
            start = used.get(number, 0)
            used[number] = start + length
            group += [number] * length
            owner += [who] * length
            column += range(start, start + length)
        ends = torch.tensor(lengths).cumsum(0) - 1
        flat = torch.tensor([group, column, owner], device=device)
        return cls(flat[0], flat[1], flat[2], ends.to(device))


class Batch:
    """Groups that go through the model together."""

    def __init__(self, model: Any, groups: Sequence[Group | None], *, pad_id: int) -> None:
        """`groups` are parked ones that come back, or None for one that begins."""
        self.model = base_of(model)
        self.pad_id = pad_id
        self.cache = Cache(layer_class_to_replicate=GrowingLayer)
        self.owners = torch.empty((len(groups), 0), dtype=torch.long, device=self.model.device)
        parked = [group for group in groups if group is not None]
        if parked:
            length = max(len(group.owners) for group in parked)
            self.owners = torch.stack([_filled(group.owners, length, dim=0, value=PAD) for group in parked])
            for layer in range(len(parked[0].keys)):
                keys, values = (
                    torch.stack([_filled(part[layer], length, dim=1, value=0) for part in parts])
                    for parts in ([group.keys for group in parked], [group.values for group in parked])
                )
                self.cache.update(keys, values, layer)

    def feed(
        self,
        layout: Layout,
        ids: torch.Tensor,
        positions: torch.Tensor,
        *,
        images: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Logits (rows, V) after each row's last token. ids (N,), positions (3, N); images in the order of the rows."""
        shape = (len(self.owners), layout.width)
        place = (layout.group, layout.column)
        new_ids = torch.full(shape, self.pad_id, device=ids.device).index_put(place, ids)
        new_owners = torch.full(shape, PAD, device=ids.device).index_put(place, layout.owner)
        new_positions = torch.zeros((3, *shape), dtype=torch.long, device=ids.device)
        new_positions[:, layout.group, layout.column] = positions
        self.owners = torch.cat([self.owners, new_owners], dim=1)
        output = self.model.model(
            input_ids=new_ids,
            attention_mask=visible(self.owners, queries=layout.width, model=self.model),
            position_ids=new_positions,
            past_key_values=self.cache,
            use_cache=True,
            **(images or {}),
        )
        last = output.last_hidden_state[layout.group[layout.ends], layout.column[layout.ends]]
        return self.model.get_output_embeddings()(last).float()

    def keep(self, staying: Sequence[int]) -> None:
        """Let all but these groups leave the batch; park them first where they may come back."""
        index = torch.tensor(staying, device=self.owners.device)
        self.owners = self.owners[index]
        self.cache.batch_select_indices(index)

    def park(self, number: int) -> Group:
        """A group as it stands, without its padding."""
        here = (self.owners[number] != PAD).nonzero().flatten()
        layers: Any = self.cache.layers
        return Group(
            [layer.keys[number, :, here] for layer in layers],
            [layer.values[number, :, here] for layer in layers],
            self.owners[number, here],
        )


def _filled(tensor: torch.Tensor, length: int, *, dim: int, value: int) -> torch.Tensor:
    """The tensor, made `length` long along `dim` by `value` at its front."""
    shape = list(tensor.shape)
    shape[dim] = length - shape[dim]
    return torch.cat([tensor.new_full(shape, value), tensor], dim=dim)
