"""Which items are packed: no cell of easy or hard and rating bin may hold far more than the others.

Teachers and raters both crowd in the middle of the scale, and an agent that sees little else learns to guess it. Cells
are capped at a multiple of the median cell, and who stays is drawn by seed and id alone. Ours.
"""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from statistics import median

import numpy as np

from loupe.data.rating_bins import rating_bins

Cell = tuple[bool, int]
"""Whether the item is hard (a crop was looked at), and its rating bin."""


def balanced(
    items: Sequence[str], ratings: Sequence[float], hard: Sequence[bool], *, bins: int, balance: float, seed: int
) -> set[str]:
    """Names of the items that stay; all of them where `balance` is 0. Each cell keeps at least one."""
    cells: defaultdict[Cell, list[str]] = defaultdict(list)
    for item, cell in zip(items, cells_of(ratings, hard, bins=bins), strict=True):
        cells[cell].append(item)
    if not balance or not cells:
        return set(items)
    most = max(1, int(balance * median(len(names) for names in cells.values())))
    return {name for names in cells.values() for name in sorted(names, key=lambda name: _draw(name, seed))[:most]}


def cells_of(ratings: Sequence[float], hard: Sequence[bool], *, bins: int) -> list[Cell]:
    """The cell of each item; ratings on 1..5."""
    numbers = rating_bins(np.asarray(ratings, np.float64), bins=bins)
    return [(is_hard, int(number)) for is_hard, number in zip(hard, numbers, strict=True)]


def _draw(name: str, seed: int) -> bytes:
    return sha256(f"{seed}/{name}".encode()).digest()
