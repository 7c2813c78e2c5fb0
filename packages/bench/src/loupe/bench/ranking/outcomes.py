"""What came of comparisons, pair by pair: the counts that a model of strengths is fitted to.

"Similar" counts half a win for each side, which is ours. An answer that cannot be used counts for neither and is
counted itself. Both orders of a pair are one unit, for they are answers to one question.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loupe.bench.choices import ALIKE, BETTER_A, BETTER_B, same_verdict
from loupe.bench.ranking.pairs import Pair

_WINS = {BETTER_A: 1.0, BETTER_B: 0.0, ALIKE: 0.5}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison as it was shown: image A is picture `first`, image B picture `second`. `choice` is one of
    `loupe.core.records.CHOICES`, None where the answer could not be used; `sample` 0 is the greedy one."""

    first: int
    second: int
    choice: str | None
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Counts of `pictures` pictures by pair. `wins` (pairs, 2) holds the wins of the first and of the second picture of
    each of `pairs`; pairs without a usable answer are left out, and `unusable` counts answers."""

    pictures: int
    pairs: tuple[Pair, ...]
    wins: Floats
    answers: int
    unusable: int

    def matrix(self) -> Floats:
        """Wins (pictures, pictures) of the row over the column."""
        table = np.zeros((self.pictures, self.pictures))
        for (first, second), (ours, theirs) in zip(self.pairs, self.wins.tolist(), strict=True):
            table[first, second], table[second, first] = ours, theirs
        return table


def count_outcomes(compared: Sequence[Compared], *, pictures: int) -> Outcomes:
    """Wins by pair, pairs in sorted order."""
    wins: dict[Pair, list[float]] = defaultdict(lambda: [0.0, 0.0])
    usable = [item for item in compared if item.choice is not None]
    for item in usable:
        share = _WINS[str(item.choice)]
        pair = (min(item.first, item.second), max(item.first, item.second))
        ours, theirs = (share, 1.0 - share) if pair[0] == item.first else (1.0 - share, share)
        wins[pair][0] += ours
        wins[pair][1] += theirs
    pairs = tuple(sorted(wins))
    table = np.array([wins[pair] for pair in pairs], dtype=np.float64).reshape(len(pairs), 2)
    return Outcomes(pictures, pairs, table, len(compared), len(compared) - len(usable))


def order_agreement(compared: Sequence[Compared]) -> float | None:
    """Share 0..1 of the pairs shown in both orders whose greedy answers can be used and say the same; None where no
    pair was."""
    said = {(item.first, item.second): item.choice for item in compared if item.sample == 0}
    both = [same_verdict(choice, said[b, a]) for (a, b), choice in said.items() if (b, a) in said]
    return sum(both) / len(both) if both else None
