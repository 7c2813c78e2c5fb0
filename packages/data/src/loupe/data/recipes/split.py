"""Train, val and test by draw, exactly by share, in one pass and 8 bytes a row.

Each group (a reference, a prompt, an image) is hashed with the seed to a number of 64 bits; the groups in the order of
their hashes are a shuffled deck, and the shares cut it. So a split hangs on the names and the seed alone, not on the
order of rows, and no list of names has to be held. Ours; two groups with one hash would only share a split.
"""

from array import array
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "val", "test")


def group_hash(name: str, *, seed: int) -> int:
    """Number of 64 bits that places a group in the deck of a seed."""
    key = seed.to_bytes(8, "little", signed=True)
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest(), "little")


class Deck:
    """The drawn split: first `add` every row's group, then `cut`, then ask `split_of`."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._hashes = array("Q")
        self._edges: list[int] = []

    def add(self, group: str) -> None:
        """Note the group of a row."""
        self._hashes.append(group_hash(group, seed=self._seed))

    def distinct(self) -> npt.NDArray[np.uint64]:
        """The hashes of the different groups, sorted."""
        return np.unique(np.frombuffer(self._hashes, dtype=np.uint64))

    def cut(self, shares: Sequence[float]) -> None:
        """Set the edges after all rows were added; `shares` are those of train, val and test."""
        deck = self.distinct()
        ends = np.round(np.cumsum(shares) * len(deck)).astype(int)
        self._edges = [int(deck[end]) if end < len(deck) else 1 << 64 for end in ends[:-1]]

    def split_of(self, group: str) -> str:
        """train, val or test."""
        place = group_hash(group, seed=self._seed)
        return SPLITS[sum(place >= edge for edge in self._edges)]
