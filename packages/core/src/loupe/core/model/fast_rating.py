"""A model in this process as a `Rater`: the expected rating of many images, one forward pass each, no generation.

The reply is begun for the agent with the opening that its protocol names, and the distribution of the next token is
read over the ratings: all of them where each is one token, as in the pocket tokenizer, else over their first digit,
with the bias that `rating_reader` names. Reading a distribution over rating words at one place is how Q-Align (Wu et
al. 2024) and DeQA-Score (You et al. 2025) get their scores; the opening of an answer as the place is ours.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.model.grouped_cache import Batch
from loupe.core.model.local_policy import judging
from loupe.core.model.packed import positions_from_zero
from loupe.core.model.rating_reader import RatingTokens
from loupe.core.policy import Conversation
from loupe.core.rater import Rated


class FastRating:
    """Reads ratings off a loaded model."""

    def __init__(self, model: Any, processor: Any, *, batch_size: int = 64, encoder: ChatEncoder | None = None) -> None:
        """`encoder` is one of this processor that has images in its memory which will be shown. Raises ModelError for a
        tokenizer in which not even a digit is one token."""
        self.model = model
        self.encoder = encoder or ChatEncoder(processor)
        self.batch_size = batch_size
        tokenizer = processor.tokenizer
        found = RatingTokens.tenths(tokenizer) or RatingTokens.first_digits(tokenizer)
        if found is None:
            raise ModelError("this tokenizer has no tokens for the digits 1 to 5; judge without the fast mode")
        self.ratings = found

    def rate(self, conversations: Sequence[Conversation], *, opening: str) -> list[Rated]:
        """One rating per conversation; long and short ones are batched with their like. Raises ModelError for an
        opening that the tokenizer joins with the rating behind it, and for a model that gives no probabilities."""
        begun = self._begun(opening)
        parts = [_begin(self.encoder.encode(conversation), begun) for conversation in conversations]
        order = sorted(range(len(parts)), key=lambda index: (len(parts[index].input_ids), index))
        rated: dict[int, Rated] = {}
        with judging(self.model), torch.no_grad():
            for first in range(0, len(order), self.batch_size):
                rows = order[first : first + self.batch_size]
                rated.update(zip(rows, self._read([parts[row] for row in rows]), strict=True))
        return [rated[index] for index in range(len(parts))]

    def _begun(self, opening: str) -> list[int]:
        """Ids of the opening, which must stay as they are when a rating follows."""
        tokenizer = self.encoder.tokenizer
        begun: list[int] = tokenizer(opening, add_special_tokens=False).input_ids
        for number in self.ratings.token_ids.tolist():
            text = opening + tokenizer.decode([number])
            if tokenizer(text, add_special_tokens=False).input_ids != [*begun, number]:
                raise ModelError(
                    f"fast_opening {opening!r}: the tokenizer joins its end with the rating behind it; end it where a "
                    "token ends, for example with a space more or less"
                )
        return begun

    def _read(self, parts: Sequence[Encoded]) -> Iterator[Rated]:
        started = time.perf_counter()
        positions = positions_from_zero(self.model, parts)
        pad_id: int = self.encoder.tokenizer.pad_token_id
        _, logits = Batch.reading(self.model, parts, positions, [1] * len(parts), pad_id=pad_id)
        chances, mass = self.ratings.chances(logits)
        if not bool(torch.isfinite(mass).all()):
            raise ModelError("the model gives no probabilities (not a number); its weights or its input are broken")
        values = self.ratings.values.to(chances)
        expected, likeliest = chances @ values, values[chances.argmax(dim=-1)]
        seconds = (time.perf_counter() - started) / len(parts)
        for row in zip(expected.tolist(), likeliest.tolist(), mass.tolist(), strict=True):
            yield Rated(_cut(row[0]), round(row[1], 1), min(1.0, row[2]), seconds)


def _begin(encoded: Encoded, begun: list[int]) -> Encoded:
    """The conversation with these ids behind it, as if the agent had begun to write."""
    ids = [*encoded.input_ids, *begun]
    wrote = [*encoded.wrote, *(True for _ in begun)]
    return Encoded(ids, wrote, encoded.pixel_values, encoded.grid_thw)


def _cut(rating: float) -> float:
    """Against rounding of a mean at the ends of the scale."""
    return min(5.0, max(1.0, rating))
