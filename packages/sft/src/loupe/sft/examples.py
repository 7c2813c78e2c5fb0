"""From a rationale to the conversation that the zoom loop would have had, and to the tokens that carry loss.

The same encoder and the same crop as in rollouts are used, so the prompt of a training example and the prompt of an
episode with the same answers are equal id for id.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loupe.core.errors import DataError
from loupe.core.files import inside
from loupe.core.images import open_image
from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Learn, Rationale, RationaleTurn, Sample
from loupe.data.store import load_rationales, load_samples
from loupe.sft.labels import IGNORED
from loupe.zoom.crop import DEFAULT_POLICY, crop

_RATING = re.compile(r'"rating"\s*:\s*([0-9.]+)')


@dataclass(frozen=True)
class Examples:
    """The rationales of a data folder with their samples, in the order of the file."""

    folder: Path
    protocol: Protocol
    rows: list[tuple[Sample, Rationale]]

    def __len__(self) -> int:
        return len(self.rows)

    def conversation(self, index: int) -> Conversation:
        """The whole conversation of a rationale: each look with the question that the protocol asks there."""
        sample, rationale = self.rows[index]
        image = open_image(inside(self.folder, sample.image))
        conversation = Conversation(sample.id, self.protocol.system)
        for number, turn in enumerate(rationale.turns):
            shown = image if turn.view == WHOLE else crop(image, turn.view, policy=DEFAULT_POLICY)[0]
            conversation.user_turns.append(UserTurn((shown,), self._question(rationale, number)))
            conversation.replies.append(Reply(turn.text))
        return conversation

    def _question(self, rationale: Rationale, turn: int) -> str:
        if turn == 0:
            return self.protocol.question if rationale.zoom_allowed else self.protocol.no_zoom_question
        return self.protocol.final_question if turn + 1 == self.protocol.max_rounds else self.protocol.crop_question


def load_examples(folder: Path, protocol: Protocol, *, split: str = "train", limit: int = 0) -> Examples:
    """Examples of a split: its written rationales, `limit` of them where that is not 0.

    Raises MissingFileError, and DataError where a rationale names no image or takes more looks than the protocol has.
    """
    samples = {sample.id: sample for sample in load_samples(folder, split)}
    rationales = load_rationales(folder, split)
    if limit:
        # Drawn, for the file goes by pristine image; the same ones every time.
        drawn = np.random.default_rng(0).permutation(len(rationales))[:limit]
        rationales = [rationales[place] for place in sorted(drawn.tolist())]
    if strangers := [item.sample_id for item in rationales if item.sample_id not in samples]:
        raise DataError(f"{folder}: {len(strangers)} rationales name no image of {split}.jsonl, first {strangers[0]!r}")
    if (longest := max((len(item.turns) for item in rationales), default=0)) > protocol.max_rounds:
        raise DataError(f"{folder}: a rationale takes {longest} looks, {protocol.name} allows {protocol.max_rounds}")
    return Examples(folder, protocol, [(samples[item.sample_id], _until_learnt(item)) for item in rationales])


def with_own_words(examples: Examples, own: Sequence[tuple[Sample, Rationale]]) -> Examples:
    """Written rationales and own words together, the ratings learnt behind own words alone.

    A rating that follows a true statement says nothing about one that follows a guess.
    """
    written = [(sample, _without_rating(rationale)) for sample, rationale in examples.rows]
    return replace(examples, rows=[*written, *own])


def _until_learnt(rationale: Rationale) -> Rationale:
    """Without the turns at the end that carry no loss: nothing is learnt from a crop that they show."""
    last = max((number for number, turn in enumerate(rationale.turns) if turn.learn is not Learn.NOTHING), default=0)
    return replace(rationale, turns=rationale.turns[: last + 1])


def _without_rating(rationale: Rationale) -> Rationale:
    turns = (replace(turn, learn=Learn.WORDS) if turn.learn is Learn.ALL else turn for turn in rationale.turns)
    return replace(rationale, turns=tuple(turns))


class ExampleCollator:
    """Turns rows `{"index": i}` into a padded batch with labels on the assistant's tokens that are to be learnt."""

    def __init__(self, examples: Examples, encoder: ChatEncoder) -> None:
        self.examples = examples
        self.encoder = encoder

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Model inputs and `labels` (B, T), IGNORED where there is no loss."""
        chosen = [int(row["index"]) for row in rows]
        encoded = [self.encoder.encode(self.examples.conversation(index)) for index in chosen]
        batch = self.encoder.collate(encoded)
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for row, (index, item) in enumerate(zip(chosen, encoded, strict=True)):
            learn = torch.tensor(learned(item, self.examples.rows[index][1], self.encoder))
            ids = torch.tensor(item.input_ids)
            labels[row, -len(ids) :] = torch.where(learn, ids, IGNORED)
        return {**batch, "labels": labels}


def learned(encoded: Encoded, rationale: Rationale, encoder: ChatEncoder) -> list[bool]:
    """For each token whether it carries loss: written by the agent, and to be learnt in its turn."""
    said = iter([mark for turn in rationale.turns for mark in _learned_of(turn, encoder)])
    return [wrote and next(said) for wrote in encoded.wrote]


def rating_span(text: str) -> tuple[int, int] | None:
    """Where the number of the last rating stands in a reply; None where there is none."""
    return max((match.span(1) for match in _RATING.finditer(text)), default=None)


def _learned_of(turn: RationaleTurn, encoder: ChatEncoder) -> list[bool]:
    """The same for the tokens of one reply, its end included."""
    if turn.learn in (Learn.ALL, Learn.NOTHING):
        return [turn.learn is Learn.ALL] * len(encoder.reply_ids(turn.text))
    start, end = rating_span(turn.text) or (0, 0)
    spans = encoder.tokenizer(turn.text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    rating = [first < end and last > start for first, last in spans]
    return [*rating, False] if turn.learn is Learn.RATING else [*(not mark for mark in rating), True]
