"""All pairs of 64-bit hashes that differ in few bits, exactly, without looking at all pairs.

The pigeonhole principle (as in multi-index hashing, Norouzi, Punjani and Fleet 2012): two hashes that differ in at most
t bits are equal in one of t + 1 disjoint bands of bits. Only hashes that share a band are compared; a pair that shares
several is taken in the first of them. Hashes that crowd in one band cost up to all pairs, in blocks of bounded memory.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

BITS = 64
_BLOCK = 1024
"""Hashes a side of one block of comparisons: 8 MiB of differences at a time."""

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]


def near_pairs(hashes: Hashes, distance: int) -> Pairs:
    """Places and distance (pairs, 3) of each two of `hashes` (N,) that differ in at most `distance` bits of 64.

    The first place is the smaller one; rows are in order of the places. Each pair comes once, equal hashes among them.
    """
    found: list[Pairs] = []
    masks = _bands(distance + 1)
    for number, mask in enumerate(masks):
        for members in _buckets(hashes & mask):
            for first, second, apart in _close(hashes, members, distance=distance):
                new = _unseen(hashes[first] ^ hashes[second], masks[:number])
                low, high = np.minimum(first, second)[new], np.maximum(first, second)[new]
                found.append(np.stack([low, high, apart[new]], axis=1))
    pairs = np.concatenate(found) if found else np.empty((0, 3), np.int64)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _bands(count: int) -> list[np.uint64]:
    """Masks of `count` disjoint runs of bits that cover all 64, of lengths as equal as can be."""
    edges = [round(number * BITS / count) for number in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges)]


def _buckets(keys: Hashes) -> Iterator[npt.NDArray[np.int64]]:
    """Places of the keys that come more than once, a group a key."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    return (group for group in np.split(order, cuts) if group.size > 1)


def _close(
    hashes: Hashes, members: npt.NDArray[np.int64], *, distance: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """First places, second places and distances of the pairs of `members` that are close, block by block."""
    for row in range(0, members.size, _BLOCK):
        for column in range(row, members.size, _BLOCK):
            first, second = members[row : row + _BLOCK], members[column : column + _BLOCK]
            apart = np.bitwise_count(hashes[first][:, None] ^ hashes[second][None, :])
            close = apart <= distance
            if row == column:
                close = np.triu(close, k=1)
            i, j = np.nonzero(close)
            yield first[i], second[j], apart[i, j].astype(np.int64)


def _unseen(difference: Hashes, earlier: list[np.uint64]) -> npt.NDArray[np.bool_]:
    """True where no earlier band is equal, so that the pair was not taken there."""
    new = np.ones(difference.shape, np.bool_)
    for mask in earlier:
        new &= (difference & mask) != 0
    return new
