"""Looks as packed tensors: conversations of one view or two, all with the same prefix up to the first image."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from loupe.core.model.processors import POCKET_SIDE
from loupe.sft.answer_fields import AnswerFields
from loupe.sft.labels import IGNORED
from loupe.sft.looks import LookBatch


class Packer:
    """Turns views and texts into packed tensors for one model; all share the prefix up to the first image."""

    def __init__(self, processor: Any, model: Any) -> None:
        self.model = model
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        side = POCKET_SIDE // self.image_processor.patch_size
        self.grid = (1, side, side)
        self.image_id: int = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.pads = side * side // self.image_processor.merge_size**2
        self.prefix = f"<|im_start|>user\n<|vision_start|>{'<|image_pad|>' * self.pads}<|vision_end|>"
        self.positions = self._positions(256)
        self.fields = AnswerFields(processor.tokenizer)

    def loss(
        self, batch: LookBatch, device: torch.device, *, own_share: float = 0.0, rng: np.random.Generator | None = None
    ) -> torch.Tensor:
        """Mean cross-entropy over the answer tokens.

        With `rng`, a share `own_share` of the answers with fields are the model's own (see `AnswerFields.own`), and the
        truth is the label behind what was said. The other ones carry no loss on their ratings, for a rating that
        follows true fields learns to believe them. Guesses carry no loss. The target of a rating is a bell around the
        true one.
        """
        if rng is not None and own_share:
            answers, labels = self._spoken(batch, own_share=own_share, rng=rng, device=device)
        else:
            answers, labels = self._true(batch)
        flat = torch.tensor([label for row in labels for label in row]).to(device)
        return self._cross_entropy(self._forward(batch, answers, device), flat)

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean over the labels (N,) that are not IGNORED; logits (N, vocabulary)."""
        log_probs = torch.log_softmax(logits[labels != IGNORED].float(), dim=-1)
        labels = labels[labels != IGNORED]
        losses = -log_probs.gather(1, labels[:, None])[:, 0]
        ratings, bells = self.fields.ratings.to(labels.device), self.fields.bells.to(labels.device)
        rows, which = (labels[:, None] == ratings).nonzero(as_tuple=True)
        soft = -(bells[which] * log_probs[rows][:, ratings]).sum(-1)
        return losses.index_put((rows,), soft).mean()

    def _true(self, batch: LookBatch) -> tuple[list[list[int]], list[list[int]]]:
        """(answers, labels) of the batch as it is: every answer is learnt but the guesses."""
        answers = self._answers(batch)
        guesses = batch.guesses
        return answers, [[IGNORED] * len(row) if view in guesses else list(row) for view, row in enumerate(answers)]

    @torch.no_grad()
    def _spoken(
        self, batch: LookBatch, *, own_share: float, rng: np.random.Generator, device: torch.device
    ) -> tuple[list[list[int]], list[list[int]]]:
        """(answers, labels) of the batch, a share of the answers in the model's own words."""
        answers, labels = self._true(batch)
        fielded = {view for view, answer in enumerate(answers) if self.fields.has(answer)} - batch.guesses
        chosen = [talk for talk in batch.conversations if talk[-1] in fielded and rng.random() < own_share]
        own = [talk[-1] for talk in chosen]
        for view in fielded.difference(own):
            labels[view][self.fields.rating_place(answers[view])] = IGNORED
        if not chosen:
            return answers, labels
        part, views = _part(batch, chosen)
        logits = self._forward(part, [answers[view] for view in views], device).float().cpu().numpy()
        starts = np.cumsum([len(answers[view]) for view in views])[:-1]
        for view, beliefs in zip(views, np.split(logits, starts), strict=True):
            if view in own:
                answers[view], labels[view] = self.fields.own(answers[view], beliefs, rng)
        return answers, labels

    def field_hits(self, batch: LookBatch, device: torch.device) -> Iterator[tuple[str, float]]:
        """(field, 1.0 or 0.0) for each answer's class and severity and region, and (rating_error, points)."""
        answers = self._answers(batch)
        predicted = self._forward(batch, answers, device).argmax(-1).tolist()
        place = 0
        for view, true in enumerate(answers):
            if view not in batch.guesses:
                yield from self._compare(predicted[place : place + len(true)], true)
            place += len(true)

    def _compare(self, said: list[int], true: list[int]) -> Iterator[tuple[str, float]]:
        ends = [i for i, token in enumerate(true) if self.tokenizer.decode([token]).startswith((', "', "}"))]
        for name, key in self.fields.keys.items():
            if name != "rating" and key in true:
                start = true.index(key) + 1
                end = min((i for i in ends if i > start), default=len(true))
                yield name, float(said[start:end] == true[start:end])
        start = self.fields.rating_place(true)
        try:
            yield (
                "rating_error",
                abs(float(self.tokenizer.decode([said[start]])) - float(self.tokenizer.decode([true[start]]))),
            )
        except ValueError:
            yield "rating_error", 4.0

    def patches(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """pixels (B, side, side, 3) → normalised patches (B · patches, 3·2·14·14), as by the image processor."""
        processor = self.image_processor
        patch, merge, (_, rows, _) = processor.patch_size, processor.merge_size, self.grid
        x = torch.from_numpy(pixels).float() / 255
        x = (x - torch.tensor(processor.image_mean)) / torch.tensor(processor.image_std)
        x = x.reshape(len(pixels), rows // merge, merge, patch, rows // merge, merge, patch, 3)
        x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)[:, :, :, :, :, :, None]
        x = x.expand(-1, -1, -1, -1, -1, -1, processor.temporal_patch_size, -1, -1)
        return x.reshape(len(pixels) * rows * rows, -1)

    def _answers(self, batch: LookBatch) -> list[list[int]]:
        return [self._ids(f"{answer}<|im_end|>") for _, answer in batch.texts]

    def _forward(self, batch: LookBatch, answers: list[list[int]], device: torch.device) -> torch.Tensor:
        """Logits (answer tokens, vocabulary) in the order of the batch, each before the token that it foretells."""
        rows = [self._row([(batch.texts[view][0], answers[view]) for view in talk]) for talk in batch.conversations]
        length = max(len(ids) for ids, _ in rows)
        # Padding lies on the right, where a causal model never looks back at it, so no mask is needed.
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        learn = torch.zeros((len(rows), length), dtype=torch.bool)
        positions = self.positions[:, :, :length].repeat(1, len(rows), 1)
        for row, (tokens, before) in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            learn[row, before] = True
            self._place_second_image(positions[:, row], tokens)
        hidden = self.model.model(
            input_ids=ids.to(device),
            pixel_values=self.patches(batch.pixels).to(device),
            image_grid_thw=torch.tensor([self.grid] * len(batch.texts)).to(device),
            position_ids=positions.to(device),
            use_cache=False,
        ).last_hidden_state
        return self.model.lm_head(hidden[learn.to(device)])

    def _row(self, turns: Sequence[tuple[str, list[int]]]) -> tuple[list[int], list[int]]:
        """Ids of a conversation, and the places before the tokens of its answers."""
        ids: list[int] = []
        before: list[int] = []
        for question, answer in turns:
            between = "\n" if ids else ""
            ids += self._ids(f"{between}{self.prefix}{question}<|im_end|>\n<|im_start|>assistant\n")
            before += range(len(ids) - 1, len(ids) + len(answer) - 1)
            ids += answer
        return ids, before

    def _place_second_image(self, positions: torch.Tensor, ids: list[int]) -> None:
        """Move positions (3, T), in place, from those of text to those of an image where the second one stands."""
        first = ids.index(self.image_id)
        start = first + self.pads
        if self.image_id not in ids[start:]:
            return
        start = ids.index(self.image_id, start)
        image = positions[:, first : first + self.pads] - positions[:, first : first + 1]
        shift = positions[0, first + self.pads] - positions[0, first] - self.pads
        positions[:, start : start + self.pads] = positions[:, start : start + 1] + image
        positions[:, start + self.pads :] += shift

    def _positions(self, length: int) -> torch.Tensor:
        """M-RoPE positions (3, 1, length) of a conversation with one image: they depend on the common prefix alone."""
        prefix = self._ids(self.prefix)
        ids = torch.tensor([prefix + [self.tokenizer.pad_token_id] * (length - len(prefix))])
        types = (ids == self.model.config.image_token_id).int()
        return self.model.model.get_rope_index(ids, image_grid_thw=torch.tensor([self.grid]), mm_token_type_ids=types)[
            0
        ]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids


def _part(batch: LookBatch, talks: Sequence[range]) -> tuple[LookBatch, list[int]]:
    """The batch of some of the conversations, and the views that are in it."""
    views = [view for talk in talks for view in talk]
    seconds = frozenset(place for place, view in enumerate(views) if view in batch.seconds)
    return LookBatch(batch.pixels[views], [batch.texts[view] for view in views], seconds), views
