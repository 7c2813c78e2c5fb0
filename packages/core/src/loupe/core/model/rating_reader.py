"""The mean of an agent's own distribution over the ratings that it could write, read where it writes one.

A greedy answer is the most probable rating; the mean uses all that the agent knows and ranks images better. It can be
read exactly where every rating is one token, as in the pocket tokenizer. Elsewhere the first digit alone can be read in
one pass, which the fast mode does: 3.1 and 3.9 both count as 3, so that mean lies below that of whole ratings, by up to
one point and by .45 where the tenths are spread evenly; the order of images suffers less than the level.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch

_KEY = ', "rating": '


class RatingTokens:
    """The tokens of a vocabulary that are ratings: ids (R,) and their values (R,) on 1..5."""

    def __init__(self, token_ids: list[int], values: list[float]) -> None:
        self.token_ids = torch.tensor(token_ids)
        self.values = torch.tensor(values)

    @classmethod
    def tenths(cls, tokenizer: Any) -> "RatingTokens | None":
        """1.0 to 5.0 in tenths; None where a rating takes several tokens."""
        return _single(tokenizer, [f"{tenths / 10:.1f}" for tenths in range(10, 51)])

    @classmethod
    def first_digits(cls, tokenizer: Any) -> "RatingTokens | None":
        """The digits 1 to 5, with which a rating of several tokens begins; None where a digit takes several."""
        return _single(tokenizer, [str(digit) for digit in range(1, 6)])

    def chances(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities (B, R) of the ratings among themselves, and the share (B,) that they have of the whole
        distribution; logits (B, V)."""
        ids = self.token_ids.to(logits.device)
        among = logits[:, ids].float()
        mass = torch.exp(torch.logsumexp(among, dim=-1) - torch.logsumexp(logits.float(), dim=-1))
        return torch.softmax(among, dim=-1), mass


def _single(tokenizer: Any, texts: list[str]) -> RatingTokens | None:
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    if any(len(item) != 1 for item in ids):
        return None
    return RatingTokens([item[0] for item in ids], [float(text) for text in texts])


class RatingReader:
    """Reads the expected rating after the token that opens the rating field."""

    def __init__(self, key_id: int, token_ids: list[int], values: list[float]) -> None:
        self.key_id = key_id
        self.token_ids = torch.tensor(token_ids)
        self.values = torch.tensor(values)

    @classmethod
    def of(cls, tokenizer: Any) -> Self | None:
        """A reader for this tokenizer; None where a rating takes several tokens."""
        key, ratings = tokenizer(_KEY, add_special_tokens=False).input_ids, RatingTokens.tenths(tokenizer)
        if ratings is None or len(key) != 1:
            return None
        return cls(key[0], ratings.token_ids.tolist(), ratings.values.tolist())

    def read(self, last: torch.Tensor, logits: torch.Tensor) -> Iterator[tuple[int, float]]:
        """(row, expected rating in 1..5) for each row whose last token opens the rating. last (B,), logits (B, V)."""
        rows = (last == self.key_id).nonzero().flatten().tolist()
        if rows:
            probability = torch.softmax(logits[rows][:, self.token_ids.to(logits.device)], dim=-1)
            yield from zip(rows, (probability @ self.values.to(probability)).tolist(), strict=True)
