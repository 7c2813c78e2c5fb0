"""A tensor of keys or values that is written into, not copied, at each step.

Joining old and new keys into a fresh tensor for every token costs more than the token itself when there are many long
sequences. This one has room to spare and makes more, half as much again, when it runs out.
"""

import torch

_SPARE = 64
"""Tokens of room, at least, that are made at a time."""


class Growing:
    """A tensor (rows, heads, T, width) that grows along T. Not for training: it is written in place."""

    def __init__(self, first: torch.Tensor) -> None:
        self._room, self._length = first, first.shape[2]

    @property
    def filled(self) -> torch.Tensor:
        """What has been written so far, as a view."""
        return self._room[:, :, : self._length]

    def append(self, new: torch.Tensor) -> torch.Tensor:
        """Write new columns (rows, heads, t, width) behind the others; returns all of them."""
        start, end = self._length, self._length + new.shape[2]
        if end > self._room.shape[2]:
            larger = new.new_empty((*new.shape[:2], end + max(_SPARE, end // 2), new.shape[3]))
            larger[:, :, :start] = self.filled
            self._room = larger
        self._room[:, :, start:end] = new
        self._length = end
        return self.filled

    def keep(self, rows: torch.Tensor) -> None:
        """Let all but these rows go."""
        self._room = self._room[rows]
