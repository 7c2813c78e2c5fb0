"""Which pairs of pictures are compared: all of them where that is affordable, else a few that tie all together.

Comparisons of a folder give one scale only where they link all pictures. The pairs of a budget are those of rings: a
ring goes through all pictures in a random order, so the first one links them all, and each further one gives every
picture two more opponents. The design is ours; that it must be connected is known from Ford (1957).
"""

from collections.abc import Iterable
from random import Random

from loupe.core.errors import ConfigError

ALL_PAIRS = 20
"""Pictures up to which every pair is compared unless a number of pairs is asked for."""
RINGS = 5
"""Rings through a larger folder; each picture meets about twice as many others."""

Pair = tuple[int, int]


def choose_pairs(pictures: int, *, budget: int = 0, seed: int = 0) -> list[Pair]:
    """Pairs (first, second), first below second, sorted; `budget` of them, or the default with 0.

    Any two pictures are linked by pairs, and no picture has many more opponents than another. Raises ConfigError for a
    budget that cannot link all pictures.
    """
    every = pictures * (pictures - 1) // 2
    wanted = budget or (every if pictures <= ALL_PAIRS else RINGS * pictures)
    if wanted < pictures - 1:
        raise ConfigError(f"pairs: got {budget} for {pictures} pictures; at least {pictures - 1} link them all")
    if wanted >= every:
        return [(first, second) for second in range(pictures) for first in range(second)]
    rng, order, found = Random(seed), list(range(pictures)), set[Pair]()
    while len(found) < wanted:
        rng.shuffle(order)
        for first, second in zip(order, [*order[1:], order[0]], strict=True):
            if len(found) < wanted:
                found.add((min(first, second), max(first, second)))
    return sorted(found)


def linked(pictures: int, pairs: Iterable[Pair]) -> int:
    """Groups that no pair links with each other: 1 where all hangs together, `pictures` where there is no pair."""
    return len(set(groups_of(pictures, pairs)))


def groups_of(pictures: int, pairs: Iterable[Pair]) -> list[int]:
    """A number for each picture, the same for all that pairs link with each other."""
    group = list(range(pictures))

    def root(item: int) -> int:
        while group[item] != item:
            group[item] = group[group[item]]
            item = group[item]
        return item

    for first, second in pairs:
        group[root(first)] = root(second)
    return [root(item) for item in range(pictures)]
