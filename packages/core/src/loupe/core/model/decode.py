"""Sampling from a vision-language model: many samples of many prompts at once, and each prompt is computed once.

`generate` of transformers computes prompt and image anew for every sample and again for every turn, and spends most of
its time on bookkeeping when the model is small. Here a prompt is prefilled once for all its samples, a crop turn goes
on where the cache stands, finished samples leave, and each sample draws its tokens from its own random numbers by
inverting the cumulative distribution, so that it does not depend on which others share the batch.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from loupe.core.errors import ModelError
from loupe.core.model.grouped_cache import Batch, Parked
from loupe.core.model.rating_reader import RatingReader
from loupe.core.model.sampling import choose, log_prob
from loupe.core.sampling import Sampling


@dataclass(frozen=True)
class Decoding:
    """How to sample, and where a completion ends: at a stop token, after `is_over` of its ids says so, or at the limit.

    `closing_ids` are the tokens after which `is_over` is worth asking.
    """

    max_new_tokens: int
    sampling: Sampling
    stop_ids: tuple[int, ...]
    suppress_ids: tuple[int, ...]
    closing_ids: frozenset[int] = frozenset()
    is_over: Callable[[Sequence[int]], bool] = lambda ids: False

    def ends(self, ids: Sequence[int]) -> bool:
        """Whether a completion of these ids is complete."""
        return ids[-1] in self.stop_ids or (ids[-1] in self.closing_ids and self.is_over(ids))


@dataclass
class Completion:
    """What one sample wrote, end token included; `expected_rating` (1..5) where a `RatingReader` could read it.

    `log_probs` has one number a token: under the model's whole distribution at the temperature of the draw.
    """

    token_ids: list[int] = field(default_factory=list[int])
    log_probs: list[float] = field(default_factory=list[float])
    stopped: bool = False
    expected_rating: float | None = None


@dataclass
class Writing:
    """Samples of a batch that are about to write: logits (rows, V) for the next token of each, places (rows,) of the
    token before it; `parked` takes up what they hold when they leave, by their number at the beginning."""

    batch: Batch
    logits: torch.Tensor
    places: torch.Tensor
    parked: dict[int, Parked] = field(default_factory=dict[int, Parked])


@torch.no_grad()
def write(
    writing: Writing,
    decoding: Decoding,
    *,
    seeds: Sequence[Sequence[int]],
    reader: RatingReader | None = None,
    limits: Sequence[int] | None = None,
) -> list[Completion]:
    """One completion a row; `seeds` has one sequence of integers a row, `limits` (rows,) lower bounds on tokens.
    All samples end up in `writing.parked`.

    The last token of a completion is drawn but not fed: its keys and values are not among the parked ones.
    """
    done = [Completion() for _ in seeds]
    uniform = np.stack([np.random.default_rng(list(seed)).random(decoding.max_new_tokens) for seed in seeds])
    suppressed = torch.tensor(decoding.suppress_ids, dtype=torch.long, device=writing.logits.device)
    live = _Live(writing)
    for step in range(decoding.max_new_tokens):
        last = _draw(live, decoding, suppressed, uniform[live.index, step], done=done, reader=reader)
        going = [
            place
            for place, index in enumerate(live.index)
            if not done[index].stopped and (limits is None or step + 1 < limits[index])
        ]
        if not going or step + 1 == decoding.max_new_tokens:
            break
        live.keep(going)
        live.feed(last[going] if len(going) < len(last) else last)
    live.park(range(len(live.index)))
    return done


class _Live:
    """The rows that are still writing; `index` says which of all they are."""

    def __init__(self, writing: Writing) -> None:
        self.batch, self.parked = writing.batch, writing.parked
        self.logits, self.places = writing.logits, writing.places
        self.index = list(range(len(writing.logits)))
        self.last: torch.Tensor | None = None

    def keep(self, going: list[int]) -> None:
        """Let the finished rows leave."""
        if len(going) == len(self.index):
            return
        self.park(set(range(len(self.index))) - set(going))
        self.batch.keep(going)
        self.index = [self.index[place] for place in going]
        self.places = self.places[going]

    def feed(self, last: torch.Tensor) -> None:
        """From the last token of each row to the logits of its next one."""
        self.last, self.places = last, self.places + 1
        self.logits = self.batch.step(last, self.places)

    def park(self, places: Iterable[int]) -> None:
        """Take up what the rows at these places hold."""
        for place in places:
            self.parked[self.index[place]] = self.batch.park(place)


def _draw(
    live: _Live,
    decoding: Decoding,
    suppressed: torch.Tensor,
    uniform: npt.NDArray[np.float64],
    *,
    done: Sequence[Completion],
    reader: RatingReader | None,
) -> torch.Tensor:
    """The next token of each live row, written down in `done`."""
    allowed = live.logits.index_fill(1, suppressed, -torch.inf)
    if reader is not None and live.last is not None:
        for row, expected in reader.read(live.last, allowed):
            done[live.index[row]].expected_rating = expected
    tokens = choose(allowed, decoding.sampling, uniform)
    probabilities = log_prob(live.logits, tokens, temperature=decoding.sampling.temperature)
    for index, token, number in zip(live.index, tokens.tolist(), probabilities.tolist(), strict=True):
        if number != number:
            raise ModelError("the model gives no probabilities (not a number); its weights or its input are broken")
        completion = done[index]
        completion.token_ids.append(token)
        completion.log_probs.append(number)
        completion.stopped = decoding.ends(completion.token_ids)
    return tokens
