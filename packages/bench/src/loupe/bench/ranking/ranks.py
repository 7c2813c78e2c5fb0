"""From scores and joint draws of them to ranks, with what is known about them.

The rank of a picture is one more than the number of better ones, so equals share the better rank. A rank interval holds
95 % of the ranks over the draws. Two pictures are told apart where one is above the other in at least 97.5 % of the
draws, ties counting half: the two-sided level of 95 %. No correction is made for how many pairs are looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loupe.bench.ranking.drawn import Scored
from loupe.bench.ranking.outcomes import Floats

LEVEL = 0.975
_PLACES = 4
"""Decimals that scores are compared with: fits of equal pictures differ beyond them."""
_PART = 64
"""Neighbours that are looked at in one go."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where picture number `item` stands. `interval` is that of its score, `ranks` that of its rank, `shares` says how
    often it takes each rank that it takes at all (rank, share 0..1), and `not_apart` names the neighbours in the order
    of the ranking, up and down to the first that is told apart. The last four are None without draws."""

    item: int
    rank: int
    score: float
    interval: tuple[float, float] | None
    ranks: tuple[int, int] | None
    shares: tuple[tuple[int, float], ...] | None
    not_apart: tuple[int, ...] | None


def places(scored: Scored) -> list[Place]:
    """All pictures, the best first; equals in the order in which they were given."""
    scores = np.round(scored.scores, _PLACES)
    draws = np.round(scored.draws, _PLACES)
    order = np.argsort(-scores, kind="stable")
    rank = _ranks(scores[None])[0]
    if not len(draws):
        return [Place(int(item), int(rank[item]), float(scored.scores[item]), None, None, None, None) for item in order]
    drawn, in_order = _ranks(draws), np.ascontiguousarray(draws.T[order])
    low, high = np.clip(np.quantile(draws, [1.0 - LEVEL, LEVEL], axis=0), *scored.ends)
    first, last = np.quantile(drawn, [1.0 - LEVEL, LEVEL], axis=0, method="inverted_cdf")
    return [
        Place(
            item=int(item),
            rank=int(rank[item]),
            score=float(scored.scores[item]),
            interval=(float(low[item]), float(high[item])),
            ranks=(int(first[item]), int(last[item])),
            shares=_shares(drawn[:, item]),
            not_apart=_neighbours(in_order, order, place),
        )
        for place, item in enumerate(order)
    ]


def told_apart(upper: Floats, lower: Floats) -> NDArray[np.bool_]:
    """Whether `upper` is above `lower` in so many draws, the last axis, that chance is no explanation."""
    above = (upper > lower).sum(axis=-1) + 0.5 * (upper == lower).sum(axis=-1)
    return above >= LEVEL * max(upper.shape[-1], lower.shape[-1])


def share_of(shares: Sequence[tuple[int, float]], *, rank: int) -> float:
    """Share 0..1 of the draws in which a picture takes this rank."""
    return dict(shares).get(rank, 0.0)


def _neighbours(draws: Floats, order: Ints, place: int) -> tuple[int, ...]:
    """Pictures next to the one at `place`, up and down; `draws` (n, draws) in the order of the ranking."""
    own = draws[place]
    up = _until(lambda part: told_apart(draws[:place][::-1][part], own), place)
    down = _until(lambda part: told_apart(own, draws[place + 1 :][part]), len(order) - place - 1)
    return tuple(int(other) for other in (*order[place - up : place], *order[place + 1 : place + 1 + down]))


def _until(holds: Callable[[slice], NDArray[np.bool_]], count: int) -> int:
    """The first of `count` places for which it holds, `count` where there is none; asked in parts, most end soon."""
    for start in range(0, count, _PART):
        found = np.flatnonzero(holds(slice(start, min(start + _PART, count))))
        if found.size:
            return start + int(found[0])
    return count


def _shares(ranks: Ints) -> tuple[tuple[int, float], ...]:
    values, counts = np.unique(ranks, return_counts=True)
    return tuple((int(value), float(count) / len(ranks)) for value, count in zip(values, counts, strict=True))


def _ranks(scores: Floats) -> Ints:
    """Ranks (draws, n) in each row of `scores` (draws, n), 1 for the highest; equals share the better one."""
    made = np.empty(scores.shape, dtype=np.int64)
    for number, row in enumerate(-scores):
        made[number] = np.searchsorted(np.sort(row), row, side="left") + 1
    return made
