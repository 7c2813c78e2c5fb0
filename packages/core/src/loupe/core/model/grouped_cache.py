"""A batch of samples that share prompts, on its way through a model: fed, thinned out, parked and taken up again.

Each prompt goes through the model once; after that a row is a sample. Rows that have finished leave: what they hold is
parked, and may come back in another batch when they are shown something new. So nothing is computed twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.nn import functional as F

from loupe.core.model.encode import Encoded, pictures
from loupe.core.model.grouped_attention import grouped
from loupe.core.model.last_layer import silent_before
from loupe.core.model.packed import base_of, no_mask, real_of
from loupe.core.model.recall import Pair, Reading, Recall

_PIECE = 4096
"""Tokens of prompts that are read at a time: enough to keep a processor busy, and few enough to stay near it."""
_CROWDED = 0.75
"""Share of the rows that must still be live, or the dead ones are cleared away."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """Keys and values (heads, P, width) of a prompt in each layer; the samples of a group hold one and the same."""

    layers: list[Pair]

    @cached_property
    def size(self) -> int:
        """Bytes that it holds."""
        return _bytes(self.layers)


@dataclass(frozen=True, eq=False)
class Parked:
    """A sample that is not in a batch: its prompt, and its own keys and values (heads, C, width) in each layer."""

    prompt: Prompt
    layers: list[Pair]

    @cached_property
    def size(self) -> int:
        """Bytes that it holds beside the prompt."""
        return _bytes(self.layers)


class Batch:
    """Samples that go through the model together; those of one group stand together."""

    def __init__(self, model: Any, recall: Recall, prompts: list[Prompt | None], *, pad_id: int) -> None:
        """`prompts` (G,) are those that are parked already."""
        self.model, self.recall, self.pad_id = base_of(model), recall, pad_id
        self._prompts = prompts
        self._live = torch.arange(len(recall.groups), device=recall.groups.device)

    @classmethod
    def reading(
        cls,
        model: Any,
        parts: Sequence[Encoded],
        positions: Sequence[torch.Tensor],
        samples: Sequence[int],
        *,
        pad_id: int,
    ) -> tuple["Batch", torch.Tensor]:
        """Read prompts, each for so many samples; also logits (R, V) of what comes next."""
        inner = base_of(model)
        pieces, logits = [], []
        for piece in _pieces([len(part.input_ids) for part in parts]):
            ids, places, real = _padded(parts[piece], positions[piece], pad_id, device=inner.device)
            pieces.append(Reading(real))
            with silent_before(inner, ids.shape[1] - 1):
                hidden = _hidden(inner, ids, places, pieces[-1], parts[piece])
            logits.append(_logits(inner, hidden))
        prompts, real = _joined([piece.layers for piece in pieces], [piece.real for piece in pieces])
        groups = [group for group, count in enumerate(samples) for _ in range(count)]
        own = [(_none_yet(key, len(groups)), _none_yet(value, len(groups))) for key, value in prompts]
        recall = Recall(prompts, real, own, None, groups)
        return cls(model, recall, [None] * len(parts), pad_id=pad_id), torch.cat(logits)[recall.groups]

    @classmethod
    def of_parked(cls, model: Any, parked: Sequence[Parked], *, pad_id: int) -> "Batch":
        """Take up samples again; those of one prompt stand together."""
        prompts = list({id(item.prompt): item.prompt for item in parked}.values())
        number = {id(prompt): place for place, prompt in enumerate(prompts)}
        shared, own = (
            _joined([_as_rows(item.layers) for item in items], [None] * len(items)) for items in (prompts, parked)
        )
        recall = Recall(*shared, *own, [number[id(item.prompt)] for item in parked])
        return cls(model, recall, list(prompts), pad_id=pad_id)

    def feed(self, parts: Sequence[Encoded], positions: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits (live, V) after new words and images of each live row."""
        self._clear_away()
        ids, places, real = _padded(parts, positions, self.pad_id, device=self.model.device)
        self.recall.expect(ids.shape[1], real)
        return _logits(self.model, _hidden(self.model, ids, places, self.recall, parts))

    def step(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Logits (live, V) after one new token of each live row; ids and places (live,)."""
        rows = len(self.recall.groups)
        if len(self._live) < rows:
            ids = ids.new_full((rows,), self.pad_id).index_put((self._live,), ids)
            places = places.new_zeros(rows).index_put((self._live,), places)
        self.recall.expect(1, None)
        hidden = _hidden(self.model, ids[:, None], places[:, None].expand(3, -1, -1), self.recall, ())
        return _logits(self.model, hidden[self._live] if len(self._live) < rows else hidden)

    def keep(self, staying: Sequence[int]) -> None:
        """Let all live rows but these leave; park them first."""
        self._live = self._live[torch.tensor(staying, device=self._live.device)]
        if len(self._live) < _CROWDED * len(self.recall.groups):
            self._clear_away()

    def park(self, place: int) -> Parked:
        """What the live row at this place holds."""
        row = int(self._live[place])
        columns = self.recall.own_columns(row)
        own = [(key.filled[row][:, columns], value.filled[row][:, columns]) for key, value in self.recall.own]
        return Parked(self._prompt(int(self.recall.groups[row])), own)

    def _clear_away(self) -> None:
        """Let the dead rows go."""
        if len(self._live) == len(self.recall.groups):
            return
        groups = self.recall.keep(self._live)
        self._prompts = [self._prompts[group] for group in groups.tolist()]
        self._live = torch.arange(len(self._live), device=self._live.device)

    def _prompt(self, group: int) -> Prompt:
        known = self._prompts[group]
        if known is None:
            columns = torch.arange(self.recall.prompts[0][0].shape[2], device=self._live.device)
            if self.recall.prompt_real is not None:
                columns = columns[self.recall.prompt_real[group]]
            # Copies, for a view would keep the whole batch.
            layers = [(key[group][:, columns], value[group][:, columns]) for key, value in self.recall.prompts]
            known = self._prompts[group] = Prompt(layers)
        return known


def _hidden(
    model: Any, ids: torch.Tensor, positions: torch.Tensor, recall: Reading | Recall, parts: Sequence[Encoded]
) -> torch.Tensor:
    """Last hidden state (rows, width) after ids (rows, n) at positions (3, rows, n)."""
    shown = {name: tensor.to(ids.device) for name, tensor in pictures(parts).items()} if parts else {}
    with grouped(model):
        output = model.model(
            input_ids=ids,
            attention_mask=no_mask(ids.device),
            position_ids=positions,
            use_cache=False,
            recall=recall,
            **shown,
        )
    return output.last_hidden_state[:, -1]


def _logits(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    return model.get_output_embeddings()(hidden).float()


def _bytes(layers: Sequence[Pair]) -> int:
    return sum(part.nbytes for pair in layers for part in pair)


def _pieces(lengths: Sequence[int]) -> Iterator[slice]:
    """Cut prompts into runs of few tokens."""
    count = max(1, _PIECE // max(lengths))
    return (slice(first, first + count) for first in range(0, len(lengths), count))


def _padded(
    parts: Sequence[Encoded], positions: Sequence[torch.Tensor], pad_id: int, *, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Ids (B, T) and positions (3, B, T) padded in front, and which ids are no padding: None where all are."""
    lengths = [len(part.input_ids) for part in parts]
    longest = max(lengths)
    ids = torch.tensor([[pad_id] * (longest - len(part.input_ids)) + part.input_ids for part in parts])
    places = torch.stack([F.pad(part, (longest - part.shape[1], 0)) for part in positions], dim=1)
    real = real_of(lengths)
    return ids.to(device), places.to(device), None if real is None else real.to(device)


def _joined(
    blocks: Sequence[list[Pair]], reals: Sequence[torch.Tensor | None]
) -> tuple[list[Pair], torch.Tensor | None]:
    """Blocks of rows, each with columns of its own number, as one, padded in front; and what is no padding or None."""
    if len(blocks) == 1:
        return blocks[0], reals[0]
    sizes = [block[0][0].shape for block in blocks]
    longest = max(size[2] for size in sizes)
    layers: list[Pair] = []
    for number in range(len(blocks[0])):
        keys, values = (
            torch.cat([_longer(block[number][part], longest, dim=2) for block in blocks]) for part in (0, 1)
        )
        layers.append((keys, values))
    if all(real is None for real in reals) and min(size[2] for size in sizes) == longest:
        return layers, None
    whole = [
        torch.ones((size[0], size[2]), dtype=torch.bool, device=layers[0][0].device) if real is None else real
        for size, real in zip(sizes, reals, strict=True)
    ]
    return layers, torch.cat([_longer(real, longest, dim=1) for real in whole])


def _none_yet(like: torch.Tensor, rows: int) -> torch.Tensor:
    """Keys or values (rows, heads, 0, width)."""
    return like.new_empty((rows, like.shape[1], 0, like.shape[3]))


def _as_rows(layers: Sequence[Pair]) -> list[Pair]:
    """Keys and values of one sequence as a block of one row."""
    return [(key[None], value[None]) for key, value in layers]


def _longer(tensor: torch.Tensor, length: int, *, dim: int) -> torch.Tensor:
    """The tensor, made `length` long along `dim` by zeros in front."""
    missing = length - tensor.shape[dim]
    return F.pad(tensor, (0, 0) * (tensor.dim() - 1 - dim) + (missing, 0)) if missing else tensor
