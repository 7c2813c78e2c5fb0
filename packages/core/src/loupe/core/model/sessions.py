"""Where conversations stand between two turns, and how their next turn enters the model.

Conversations that have been asked the same, word for word and image for image, are samples of one group and share its
prompt. One that goes on where it stood feeds what is new alone: its last token, the words around it and the crop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from loupe.core.model.decode import Writing
from loupe.core.model.encode import Encoded
from loupe.core.model.grouped_cache import Batch, Parked
from loupe.core.model.packed import positions_from_zero
from loupe.core.policy import Conversation


@dataclass(frozen=True)
class Standing:
    """A conversation after a turn: what the model holds of it, the ids in there, the rotary position of the last of
    them, and the images that have been seen."""

    parked: Parked
    ids: list[int]
    place: int
    images: tuple[Image.Image, ...]

    def goes_on(self, encoded: Encoded, images: Sequence[Image.Image]) -> bool:
        """Whether a conversation of these ids and images is this one, with something new to read."""
        seen = images[: len(self.images)]
        same = len(seen) == len(self.images) and all(old is new for old, new in zip(self.images, seen, strict=True))
        return same and len(encoded.input_ids) > len(self.ids) and encoded.input_ids[: len(self.ids)] == self.ids


@dataclass(frozen=True)
class Turn:
    """A conversation that waits for a reply: its place in the call, its ids, its images, and where it stood."""

    index: int
    encoded: Encoded
    images: tuple[Image.Image, ...]
    standing: Standing | None = None

    @property
    def group(self) -> object:
        """Equal for the samples of one group."""
        if self.standing is not None:
            return id(self.standing.parked.prompt)
        return (tuple(self.encoded.input_ids), tuple(id(image) for image in self.images))

    @property
    def new(self) -> Encoded:
        """What the model has not read yet."""
        if self.standing is None:
            return self.encoded
        return self.encoded.after(len(self.standing.ids), images=len(self.standing.images))


def images_of(conversation: Conversation) -> tuple[Image.Image, ...]:
    """All images that a conversation shows, in order."""
    return tuple(image for turn in conversation.user_turns for image in turn.images)


def batches(turns: Sequence[Turn], size: int) -> list[list[list[Turn]]]:
    """Groups of turns in batches of at most `size` conversations, long ones with their like."""
    groups: dict[object, list[Turn]] = {}
    for turn in turns:
        groups.setdefault((turn.standing is None, turn.group), []).append(turn)
    parts = [group[first : first + size] for group in groups.values() for first in range(0, len(group), size)]
    parts.sort(key=lambda part: (part[0].standing is None, len(part[0].new.input_ids), part[0].index))
    made: list[list[list[Turn]]] = []
    for part in parts:
        alike = made and (made[-1][0][0].standing is None) == (part[0].standing is None)
        if alike and sum(map(len, made[-1])) + len(part) <= size:
            made[-1].append(part)
        else:
            made.append([part])
    return made


@torch.no_grad()
def read(model: Any, groups: Sequence[Sequence[Turn]], *, pad_id: int) -> Writing:
    """Feed what is new in a batch of `batches`; its samples are then about to write, in order."""
    turns = [turn for group in groups for turn in group]
    standings = [turn.standing for turn in turns if turn.standing is not None]
    if standings:
        batch = Batch.of_parked(model, [standing.parked for standing in standings], pad_id=pad_id)
        new = [turn.new for turn in turns]
        starts = [standing.place + 1 for standing in standings]
        positions = [start + part for start, part in zip(starts, positions_from_zero(model, new), strict=True)]
        logits = batch.feed(new, positions)
    else:
        prompts, samples = [group[0].new for group in groups], [len(group) for group in groups]
        each = positions_from_zero(model, prompts)
        batch, logits = Batch.reading(model, prompts, each, samples, pad_id=pad_id)
        positions = [part for part, count in zip(each, samples, strict=True) for _ in range(count)]
    return Writing(batch, logits, torch.stack([part.max() for part in positions]).to(model.device))
