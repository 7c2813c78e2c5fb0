"""A batch without padding: its examples one after the other in one row, each of which sees itself alone.

TRL packs no batches with images, and none with a collator of one's own. Here the examples of a batch are a group as
`loupe.core.model.grouped_attention` knows it: what they all begin with, up to their first image, is the prompt that
they share and is computed once; the rest of each stands behind it with the positions that it would have alone. Losses
and gradients are those of the padded batch; what is saved is every layer's work on padding. Ours.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from loupe.core.model.encode import Encoded, pictures
from loupe.core.model.grouped_attention import Segments
from loupe.core.model.packed import GROUPED, attention_of, no_mask, positions_of

LENGTHS = "lengths"
"""Name in a batch of what each example has behind the shared beginning (N,); a batch with it is one row."""


def takes_one_row(model: Any) -> bool:
    """Whether the model's attention keeps the examples of a row apart; flash and eager attention get padded batches."""
    return attention_of(model) == GROUPED


def shared_beginning(encoded: Sequence[Encoded], *, image_token_id: int) -> int:
    """Ids that all begin with, before any image and with two ids at least before anything that the agent wrote: what
    stands at the end of the shared part is asked to predict nothing."""
    rows = [item.input_ids for item in encoded]
    most = min(
        min(len(row), *(row.index(token) for token in [image_token_id] if token in row), item.wrote.index(True) - 1)
        for row, item in zip(rows, encoded, strict=True)
    )
    return next((place for place in range(most) if len({row[place] for row in rows}) > 1), max(most, 0))


def one_row(encoded: Sequence[Encoded], shared: int) -> dict[str, torch.Tensor]:
    """input_ids (1, T): the first `shared` ids of all once, then the rest of each; lengths (N,) and all images."""
    ids = laid([torch.tensor(item.input_ids) for item in encoded], shared)
    lengths = torch.tensor([len(item.input_ids) - shared for item in encoded])
    return {"input_ids": ids, LENGTHS: lengths, **pictures(encoded)}


def laid(parts: Sequence[torch.Tensor], shared: int) -> torch.Tensor:
    """What belongs to each id of each example (T_n,), where the row (1, T) has these ids."""
    return torch.cat([parts[0][:shared], *(part[shared:] for part in parts)])[None]


def model_inputs(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """What the model takes for such a batch: the row with explicit positions and segments in place of the lengths."""
    lengths: list[int] = batch[LENGTHS].tolist()
    row = batch["input_ids"][0]
    shared, device = len(row) - sum(lengths), row.device
    whole = [torch.cat([row[:shared], part]) for part in row[shared:].split(lengths)]
    real = pad_sequence([torch.ones_like(part) for part in whole], batch_first=True)
    made = positions_of(model, pad_sequence(whole, batch_first=True), batch.get("image_grid_thw"), real)
    behind = [made[:, place, shared : shared + length] for place, length in enumerate(lengths)]
    return {
        **{name: value for name, value in batch.items() if name != LENGTHS},
        "position_ids": torch.cat([made[:, 0, :shared], *behind], dim=1)[:, None],
        "segments": Segments.of([shared], [lengths], device=device),
        "attention_mask": no_mask(device),
    }


def padded(parts: Sequence[torch.Tensor], *, empty: int) -> torch.Tensor:
    """(N, T): the same where the examples are padded in front."""
    longest = max(map(len, parts))
    return torch.stack([F.pad(part, (longest - len(part), 0), value=empty) for part in parts])
