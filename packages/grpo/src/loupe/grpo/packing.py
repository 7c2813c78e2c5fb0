"""Rollouts as model inputs: the samples of one image in one sequence behind the prompt that they share.

Stock trainers send prompt and completion through the model once a sample, so a prompt with its image is computed K
times forward and K times backward. Here a sequence is [prompt, completion 1, …, completion K] with explicit positions,
and each completion sees the prompt and itself (`loupe.core.model.packed`); log-probabilities and gradients are those of
the plain way. Each completion begins with a copy of the prompt's last token, from which its own first one is predicted,
and its last token is never an input. A later turn of the layout `segments` has a prompt of its own and is a sequence of
its own; its numbers stand behind those of the turn before. `shared=False` is the plain way: a sequence a sample, for
attention that takes no mask of four dimensions. Ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch.nn import functional as F

from loupe.core.model.encode import Encoded, pictures
from loupe.core.model.grouped_attention import Segments
from loupe.core.model.last_layer import silent_before
from loupe.core.model.packed import GROUPED, PAD, SHARED, attention_of, base_of, no_mask, positions_from_zero, visible
from loupe.grpo.rollout import Prompt, Rollout, by_prompt


class Looks(StrEnum):
    """Which segments of rollouts are computed together."""

    ALL = "all"
    FIRST = "first"
    LATER = "later"

    def takes(self, *, later: bool) -> bool:
        """Whether a segment is among them."""
        return self is Looks.ALL or later is (self is Looks.LATER)


_PIECE = 4096
"""Tokens of a piece: enough to keep a processor busy, and few enough to stay near it."""


@dataclass(frozen=True)
class Packed:
    """Inputs of a model, and the N tokens that the agent wrote: which ones (labels), the row and column of the model's
    last hidden state that predicts each, and its place in a tensor (rollouts, C), whose shape is `shape`."""

    inputs: dict[str, Any]
    labels: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    place: tuple[torch.Tensor, torch.Tensor]
    shape: tuple[int, int]
    prompt: int
    """Columns before the first from which anything is predicted."""
    backbone: Any
    """What the fused head asks for the hidden state."""


def pack(model: Any, rollouts: Sequence[Rollout], *, pad_id: int, shared: bool, looks: Looks = Looks.ALL) -> Packed:
    """Inputs for rollouts in the order given; C of `Packed` is the length of the longest one.

    Rollouts of one prompt that stand together become one sequence where `shared`. `looks` leaves out the first or the
    later segments; places in (rollouts, C) are the same.
    """
    groups = [group for group in _parts(rollouts) if looks.takes(later=group[0].before > 0)]
    groups = groups if shared else [[part] for group in groups for part in group]
    positions = _positions(model, [part for group in groups for part in group])
    lengths = [[len(item.completion.input_ids) for item in group] for group in groups]
    prompts = [len(group[0].prompt.encoded.input_ids) - 1 for group in groups]
    grid = _Grid(groups, prompts, lengths)
    device = model.device
    ids = grid.filled([_tokens(group) for group in groups], pad_id)
    inputs: dict[str, Any] = {
        "input_ids": ids.to(device),
        "position_ids": grid.positions(positions).to(device),
        **_images(groups, device),
    }
    if shared and attention_of(model) == GROUPED:
        inputs["segments"] = Segments.of(prompts, lengths, device=device)
        inputs["attention_mask"] = no_mask(device)
    else:
        owners = grid.filled(grid.owners(), PAD).to(device)
        inputs["attention_mask"] = visible(owners, model=model) if shared else (owners != PAD).long()
    labels, row, column, place = grid.written()
    shape = (len(rollouts), max(item.length for item in rollouts))
    backbone = base_of(model).base_model
    return Packed(inputs, labels.to(device), row.to(device), column.to(device), place, shape, grid.prompt, backbone)


def pieces(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """Runs of whole groups with few tokens each, one group at least: groups of other lengths cost little padding."""
    made: list[list[Rollout]] = []
    left = 0
    for group in by_prompt(rollouts):
        tokens = len(group[0].prompt.encoded.input_ids) + sum(_tokens_beside(item) for item in group)
        if not made or tokens > left:
            made.append([])
            left = _PIECE
        made[-1] += group
        left -= tokens
    return made


def joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors (rollouts, C) one under the other, zero behind the shorter ones."""
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts])


def score(model: Any, packed: Packed, *, entropy: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities (rollouts, C) of the completions, and the entropy of each next token where asked for.

    Zero on tokens that the agent did not write and on padding. `model` has TRL's fused head, whose temperature counts.
    """
    # Where the head does not compile to Triton it scores all that it is given, the prompt too.
    hook = packed.backbone.register_forward_hook(lambda _module, _args, output: _predicting(output, packed))
    try:
        with silent_before(packed.backbone, packed.prompt):
            output = model(**packed.inputs, shift_labels=packed.labels[None], fused_lm_head=True)
    finally:
        hook.remove()
    return _unpacked(output.log_probs, packed), _unpacked(output.entropy, packed) if entropy else None


def _predicting(output: Any, packed: Packed) -> Any:
    """A backbone's output with the hidden states (1, N, width) alone from which the agent's tokens are predicted."""
    output.last_hidden_state = output.last_hidden_state[packed.row, packed.column][None]
    return output


def _unpacked(values: torch.Tensor, packed: Packed) -> torch.Tensor:
    """(1, N) at their places in (rollouts, C), zero elsewhere."""
    place = tuple(part.to(values.device) for part in packed.place)
    return values.new_zeros(packed.shape).index_put(place, values[0])


@dataclass(frozen=True)
class _Part:
    """A segment of a rollout: the `row` of the rollout, and its tokens there that come before this segment's."""

    row: int
    before: int
    prompt: Prompt
    completion: Encoded


def _parts(rollouts: Sequence[Rollout]) -> list[list[_Part]]:
    """What shares a prompt: the first segments of a group, and each later segment alone."""
    made: list[list[_Part]] = []
    rows = iter(range(len(rollouts)))
    for group in by_prompt(rollouts):
        placed = [(next(rows), item) for item in group]
        made.append([_Part(row, 0, item.prompt, item.completion) for row, item in placed])
        for row, item in placed:
            before = len(item.completion.input_ids)
            for segment in item.later:
                made.append([_Part(row, before, segment.prompt, segment.completion)])
                before += len(segment.completion.input_ids)
    return made


def _tokens_beside(rollout: Rollout) -> int:
    """Tokens of a rollout but for its first prompt."""
    return rollout.length + sum(len(segment.prompt.encoded.input_ids) for segment in rollout.later)


@dataclass(frozen=True)
class _Grid:
    """The sequences of groups side by side: prompts padded in front, completions behind them, padding at the end."""

    groups: Sequence[Sequence[_Part]]
    prompts: list[int]
    lengths: list[list[int]]

    @property
    def prompt(self) -> int:
        return max(self.prompts)

    @property
    def width(self) -> int:
        return self.prompt + max(map(sum, self.lengths))

    def filled(self, rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
        """(groups, T): each row begins where its prompt does."""
        out = torch.full((len(rows), self.width), value)
        for number, row in enumerate(rows):
            start = self.prompt - self.prompts[number]
            out[number, start : start + len(row)] = torch.tensor(row)
        return out

    def owners(self) -> list[list[int]]:
        return [
            [SHARED] * prompt + [number for number, length in enumerate(lengths) for _ in range(length)]
            for prompt, lengths in zip(self.prompts, self.lengths, strict=True)
        ]

    def positions(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """(3, groups, T) from the positions (3, prompt + completion) of each part."""
        out = torch.zeros((3, len(self.groups), self.width), dtype=torch.long)
        rest = iter(rows)
        for number, group in enumerate(self.groups):
            parts, cut = [next(rest) for _ in group], self.prompts[number]
            flat = torch.cat([parts[0][:, :cut], *(part[:, cut:-1] for part in parts)], dim=1)
            start = self.prompt - cut
            out[:, number, start : start + flat.shape[1]] = flat
        return out

    def written(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Of each token (N,) that the agent wrote: its id, row and column of what predicts it, and its place (rollout,
        token)."""
        items = [item for group in self.groups for item in group]
        flat = [length for lengths in self.lengths for length in lengths]
        wrote = torch.tensor([wrote for item in items for wrote in item.completion.wrote])
        labels = torch.tensor([token for item in items for token in item.completion.input_ids])
        row = torch.tensor([number for number, lengths in enumerate(self.lengths) for _ in range(sum(lengths))])
        column = torch.cat([torch.arange(self.prompt, self.prompt + sum(lengths)) for lengths in self.lengths])
        sample = torch.tensor([item.row for item in items]).repeat_interleave(torch.tensor(flat))
        token = torch.cat([item.before + torch.arange(length) for item, length in zip(items, flat, strict=True)])
        return labels[wrote], row[wrote], column[wrote], (sample[wrote], token[wrote])


def _tokens(group: Sequence[_Part]) -> list[int]:
    prompt = group[0].prompt.encoded.input_ids
    return prompt[:-1] + [token for item in group for token in (prompt[-1], *item.completion.input_ids[:-1])]


def _positions(model: Any, parts: Sequence[_Part]) -> list[torch.Tensor]:
    """Positions (3, prompt + completion) of each part: a completion's begin right after its prompt's."""
    prompts = list({id(item.prompt): item.prompt for item in parts}.values())
    before = dict(zip(map(id, prompts), positions_from_zero(model, [item.encoded for item in prompts]), strict=True))
    after = positions_from_zero(model, [item.completion for item in parts])
    starts = [before[id(item.prompt)] for item in parts]
    return [torch.cat([start, start.max() + 1 + own], dim=1) for start, own in zip(starts, after, strict=True)]


def _images(groups: Sequence[Sequence[_Part]], device: torch.device) -> dict[str, torch.Tensor]:
    """The images in the order of their places: of each group the prompt's, then those of its completions."""
    parts = [part for group in groups for part in (group[0].prompt.encoded, *(item.completion for item in group))]
    return {name: tensor.to(device) for name, tensor in pictures(parts).items()}
