"""What of each token a trainer has to know: whether it is learnt, in which look it was written, and of which field.

Only ids that the agent writes are ever marked. The fields are found in the text of a reply, in any of the dialects, and
so whichever way a tokenizer cuts them.
"""

import re
from dataclasses import dataclass

import torch

from loupe.core.errors import DataError
from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.records import Learn, RationaleTurn
from loupe.sft.examples import Example
from loupe.sft.labels import IGNORED

FIELDS = ("rating", "class", "box")
"""Fields whose tokens are counted apart; a token's mark is the place here plus 1, and 0 for none of them."""

_RATING = re.compile(r'"rating"\s*:\s*"?([0-9.]+)')
_BARE_RATING = re.compile(r"<answer>\s*(-?\d+(?:\.\d+)?)")
_CLASS = re.compile(r'"distortion_class"\s*:\s*("[^"]*"|null)')
_BOX = re.compile(r'"bbox_2d"\s*:\s*(\[[^\[\]]*\]|null)')


@dataclass(frozen=True)
class Marks:
    """One example as labels (T,), IGNORED where there is no loss; the look in which each id was written (T,), 1 for the
    first and 0 where the agent wrote nothing; and its field (T,), as in FIELDS."""

    labels: torch.Tensor
    rounds: torch.Tensor
    fields: torch.Tensor


def marks_of(example: Example, encoded: Encoded, encoder: ChatEncoder) -> Marks:
    """Marks of an encoded example. Raises DataError where the ids that were written are not those of its replies."""
    learn: list[bool] = []
    rounds: list[int] = []
    fields: list[int] = []
    for look, turn in example.written:
        marks = learned_of(turn, encoder)
        learn += marks
        rounds += [look + 1] * len(marks)
        fields += _fields_of(turn, encoder)
    wrote = torch.tensor(encoded.wrote)
    if int(wrote.sum()) != len(learn):
        raise DataError(f"{example.name}: {int(wrote.sum())} ids were written and its replies have {len(learn)}")
    ids = torch.tensor(encoded.input_ids)
    marked = torch.zeros((3, len(ids)), dtype=torch.long)
    marked[:, wrote] = torch.tensor([learn, rounds, fields], dtype=torch.long).reshape(3, -1)
    return Marks(torch.where(marked[0] > 0, ids, IGNORED), marked[1], marked[2])


def learned_of(turn: RationaleTurn, encoder: ChatEncoder) -> list[bool]:
    """For each id of a reply, its end included, whether it carries loss."""
    if turn.learn in (Learn.ALL, Learn.NOTHING):
        return [turn.learn is Learn.ALL] * len(encoder.reply_ids(turn.text))
    rating = _inside(turn.text, rating_span(turn.text), encoder)
    return [*rating, False] if turn.learn is Learn.RATING else [*(not mark for mark in rating), True]


def rating_span(text: str) -> tuple[int, int] | None:
    """Where the number of the last rating stands in a reply; None where there is none."""
    return _last(_RATING, text) or _last(_BARE_RATING, text)


def _fields_of(turn: RationaleTurn, encoder: ChatEncoder) -> list[int]:
    """For each id of a reply, its end included, the field that it is a part of."""
    spans = (rating_span(turn.text), _last(_CLASS, turn.text), _last(_BOX, turn.text))
    each = [_inside(turn.text, span, encoder) for span in spans]
    return [*(next((place for place, mark in enumerate(one, 1) if mark), 0) for one in zip(*each, strict=True)), 0]


def _last(pattern: re.Pattern[str], text: str) -> tuple[int, int] | None:
    return max((match.span(1) for match in pattern.finditer(text)), default=None)


def _inside(text: str, span: tuple[int, int] | None, encoder: ChatEncoder) -> list[bool]:
    """For each id of a text whether it holds a letter of the span."""
    start, end = span or (0, 0)
    offsets = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    return [first < end and last > start for first, last in offsets]
