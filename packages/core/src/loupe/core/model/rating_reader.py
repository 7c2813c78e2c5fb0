"""The mean of an agent's own distribution over the ratings that it could write, read where it writes one.

A greedy answer is the most probable rating; the mean uses all that the agent knows and ranks images better. It can be
read exactly where every rating is one token, as in the pocket tokenizer; elsewhere average several samples.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch

_KEY = ', "rating": '


class RatingReader:
    """Reads the expected rating after the token that opens the rating field."""

    def __init__(self, key_id: int, token_ids: list[int], values: list[float]) -> None:
        self.key_id = key_id
        self.token_ids = torch.tensor(token_ids)
        self.values = torch.tensor(values)

    @classmethod
    def of(cls, tokenizer: Any) -> Self | None:
        """A reader for this tokenizer; None where a rating takes several tokens."""
        texts = [f"{tenths / 10:.1f}" for tenths in range(10, 51)]
        ids = [tokenizer(text, add_special_tokens=False).input_ids for text in [_KEY, *texts]]
        if any(len(item) != 1 for item in ids):
            return None
        return cls(ids[0][0], [item[0] for item in ids[1:]], [float(text) for text in texts])

    def read(self, last: torch.Tensor, logits: torch.Tensor) -> Iterator[tuple[int, float]]:
        """(row, expected rating in 1..5) for each row whose last token opens the rating. last (B,), logits (B, V)."""
        rows = (last == self.key_id).nonzero().flatten().tolist()
        if rows:
            probability = torch.softmax(logits[rows][:, self.token_ids.to(logits.device)], dim=-1)
            yield from zip(rows, (probability @ self.values.to(probability)).tolist(), strict=True)
