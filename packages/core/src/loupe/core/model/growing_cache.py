"""A cache layer that is written into, not copied, at each step.

The library's dynamic layer joins old and new keys into a fresh tensor for every token, which for many long prompts
costs more than the token itself. This one has room to spare and makes more, half as much again, when it runs out.
"""

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

_SPARE = 64
"""Tokens of room, at least, that are made at a time."""


class GrowingLayer(DynamicLayer):
    """Keys and values (batch, heads, T, width) as views of tensors with more columns. Not for training: it is written
    in place."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append new keys and values; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._room = (key_states[:, :, :0], value_states[:, :, :0])
        old = self.get_seq_length()
        length = old + key_states.shape[2]
        if length > self._room[0].shape[2]:
            self._make_room(length + max(_SPARE, length // 2), old, (key_states, value_states))
        for room, new in zip(self._room, (key_states, value_states), strict=True):
            room[:, :, old:length] = new
        self.keys, self.values = (room[:, :, :length] for room in self._room)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows alone."""
        length = self.get_seq_length()
        self._room = (self._room[0][indices], self._room[1][indices])
        self.keys, self.values = (room[:, :, :length] for room in self._room)

    def _make_room(self, columns: int, old: int, like: tuple[torch.Tensor, torch.Tensor]) -> None:
        made: list[torch.Tensor] = []
        for room, new in zip(self._room, like, strict=True):
            larger = new.new_empty((new.shape[0], new.shape[1], columns, new.shape[3]))
            larger[:, :, :old] = room[:, :, :old]
            made.append(larger)
        self._room = (made[0], made[1])
