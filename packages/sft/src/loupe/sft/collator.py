"""From numbers of examples to a batch: images are read, and conversations encoded, when a batch is drawn."""

from collections.abc import Sequence
from typing import Any

import torch

from loupe.core.model.encode import ChatEncoder
from loupe.sft.examples import Example
from loupe.sft.labels import IGNORED
from loupe.sft.learned import marks_of
from loupe.sft.one_row import laid, one_row, padded, shared_beginning


class ExampleCollator:
    """Turns rows `{"index": i}` into a batch with labels on the assistant's tokens that are to be learnt.

    `packed` puts the examples one after the other in a single row, where they have a beginning in common, as all
    conversations of a chat template do; else they are padded in front.
    """

    def __init__(self, examples: Sequence[Example], encoder: ChatEncoder, *, packed: bool = False) -> None:
        self.examples = examples
        self.encoder = encoder
        self.packed = packed

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Model inputs, and (B, T) `labels`, `rounds` and `fields` as in `loupe.sft.learned.Marks`."""
        chosen = [self.examples[int(row["index"])] for row in rows]
        encoded = [self.encoder.encode(example.conversation()) for example in chosen]
        marks = [marks_of(example, item, self.encoder) for example, item in zip(chosen, encoded, strict=True)]
        parts = {
            "labels": ([item.labels for item in marks], IGNORED),
            "rounds": ([item.rounds for item in marks], 0),
            "fields": ([item.fields for item in marks], 0),
        }
        shared = shared_beginning(encoded, image_token_id=self.encoder.image_token_id) if self.packed else 0
        if shared:
            return one_row(encoded, shared) | {name: laid(part, shared) for name, (part, _) in parts.items()}
        return self.encoder.collate(encoded) | {
            name: padded(part, empty=empty) for name, (part, empty) in parts.items()
        }
