"""Asks an agent which of two pictures is better, each pair in both orders, and keeps what it answered.

An agent that prefers a place would otherwise rank by the order of the files. Random numbers hang on the pixels of both
pictures, the sample and the seed, as in `loupe assess`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image

from loupe.bench.agent import Agents
from loupe.bench.choices import choice_of
from loupe.bench.ranking.config import RankConfig
from loupe.bench.ranking.outcomes import Compared
from loupe.bench.ranking.pairs import Pair
from loupe.core.images import open_image
from loupe.core.protocol import Protocol
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

Progress = Callable[[int, int], None]
_HELD = 8
"""Decoded pictures that are kept for the next pairs."""


def compare(
    pictures: Sequence[tuple[Path, str]],
    pairs: Sequence[Pair],
    config: RankConfig,
    *,
    protocol: Protocol,
    agents: Agents,
    progress: Progress | None = None,
) -> list[Compared]:
    """Answers to all `pairs` of `pictures` (path, fingerprint), each in both orders and `config.judgements` times.

    Raises ImageError or MissingFileError where a picture has gone or changed since it was first read.
    """
    opened = lru_cache(maxsize=_HELD)(open_image)
    reference = (open_image(config.reference),) if config.reference else ()
    orders = [order for first, second in pairs for order in ((first, second), (second, first))]
    step, made = max(1, config.batch_size // config.judgements), list[Compared]()
    for part in _parts(orders, step):
        inputs = {
            order: (_key(order, pictures), opened(pictures[order[0]][0]), (opened(pictures[order[1]][0]), *reference))
            for order in part
        }
        for policy, numbers in ((agents.greedy, range(1)), (agents.drawing, range(1, config.judgements))):
            asked = [(order, number) for order in part for number in numbers]
            shown = [_input(*inputs[order], number=number) for order, number in asked]
            played = play(policy, shown, protocol, look=Look.NEVER, seed=config.seed)
            made += [
                Compared(*order, choice_of(item.episode), number)
                for (order, number), item in zip(asked, played, strict=True)
            ]
        if progress is not None:
            progress(len(made), len(orders) * config.judgements)
    return made


def _parts(orders: Sequence[Pair], size: int) -> list[tuple[Pair, ...]]:
    return [tuple(orders[start : start + size]) for start in range(0, len(orders), size)]


def _key(order: Pair, pictures: Sequence[tuple[Path, str]]) -> str:
    return "|".join(pictures[item][1] for item in order)


def _input(key: str, image: Image.Image, others: tuple[Image.Image, ...], *, number: int) -> LoopInput:
    return LoopInput(f"{key}#{number}", key, image, others=others)
