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
from loupe.core.model.encode import Encoded, pictures
from loupe.core.model.grouped_cache import Batch, Group, Layout
from loupe.core.model.packed import SHARED, positions_from_zero
from loupe.core.policy import Conversation


@dataclass(frozen=True)
class Standing:
    """A conversation after a turn: its sample of a parked group, the ids in there, the rotary position of the last of
    them, and the images that have been seen."""

    group: Group
    sample: int
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
            return id(self.standing.group)
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
    device = model.device
    if groups[0][0].standing is None:
        owners = [(number, SHARED) for number in range(len(groups))]
        new, starts = [group[0].new for group in groups], [0] * len(groups)
        batch = Batch(model, [None] * len(groups), pad_id=pad_id)
    else:
        standings = [[turn.standing for turn in group if turn.standing is not None] for group in groups]
        owners = [(number, item.sample) for number, items in enumerate(standings) for item in items]
        new = [turn.new for group in groups for turn in group]
        starts = [item.place + 1 for items in standings for item in items]
        parked = [items[0].group.of([item.sample for item in items]) for items in standings]
        batch = Batch(model, parked, pad_id=pad_id)
    positions = [start + part for start, part in zip(starts, positions_from_zero(model, new), strict=True)]
    layout = Layout.of(owners, [len(part.input_ids) for part in new], device=device)
    ids = torch.tensor([token for part in new for token in part.input_ids], device=device)
    images = {name: tensor.to(device) for name, tensor in pictures(new).items()}
    logits = batch.feed(layout, ids, torch.cat(positions, dim=1).to(device), images=images)
    ends = torch.stack([part.max() for part in positions]).to(device)
    if groups[0][0].standing is not None:
        return Writing(batch, owners, logits, ends)
    rows = [(number, sample) for number, group in enumerate(groups) for sample in range(len(group))]
    source = torch.tensor([number for number, _ in rows], device=device)
    return Writing(batch, rows, logits[source], ends[source])
