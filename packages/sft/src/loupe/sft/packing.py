"""Looks as packed tensors: all sequences share the prefix up to the image, so positions are computed once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from loupe.core.model.processors import POCKET_SIDE
from loupe.sft.answer_fields import AnswerFields
from loupe.sft.labels import IGNORED
from loupe.sft.looks import LookBatch


class Packer:
    """Turns views and texts into packed tensors for one model; all sequences share the prefix up to the image."""

    def __init__(self, processor: Any, model: Any) -> None:
        self.model = model
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        side = POCKET_SIDE // self.image_processor.patch_size
        self.grid = (1, side, side)
        pads = "<|image_pad|>" * (side * side // self.image_processor.merge_size**2)
        self.prefix = f"<|im_start|>user\n<|vision_start|>{pads}<|vision_end|>"
        self.positions = self._positions(256)
        self.fields = AnswerFields(processor.tokenizer)

    def loss(
        self, batch: LookBatch, device: torch.device, *, own_share: float = 0.0, rng: np.random.Generator | None = None
    ) -> torch.Tensor:
        """Mean cross-entropy over the answer tokens.

        With `rng`, a share `own_share` of the answers with fields are the model's own (see `AnswerFields.own`), and the
        truth is the label behind what was said. The other ones carry no loss on their ratings, for a rating that
        follows true fields learns to believe them.
        """
        answers = labels = self._answers(batch)
        if rng is not None and own_share:
            answers, labels = self._spoken(batch, own_share=own_share, rng=rng, device=device)
        flat = torch.tensor([label for row in labels for label in row]).to(device)
        return F.cross_entropy(self._forward(batch, answers, device), flat, ignore_index=IGNORED)

    @torch.no_grad()
    def _spoken(
        self, batch: LookBatch, *, own_share: float, rng: np.random.Generator, device: torch.device
    ) -> tuple[list[list[int]], list[list[int]]]:
        """(answers, labels) of the batch, a share of the answers in the model's own words."""
        answers = self._answers(batch)
        labels = [list(answer) for answer in answers]
        fielded = [row for row, answer in enumerate(answers) if self.fields.has(answer)]
        chosen = [row for row in fielded if rng.random() < own_share]
        for row in set(fielded) - set(chosen):
            labels[row][self.fields.rating_place(answers[row])] = IGNORED
        if not chosen:
            return answers, labels
        part = LookBatch(batch.pixels[chosen], [batch.texts[row] for row in chosen])
        logits = self._forward(part, [answers[row] for row in chosen], device).float().cpu().numpy()
        place = 0
        for row in chosen:
            beliefs = logits[place : place + len(answers[row])]
            place += len(answers[row])
            answers[row], labels[row] = self.fields.own(answers[row], beliefs, rng)
        return answers, labels

    def field_hits(self, batch: LookBatch, device: torch.device) -> Iterator[tuple[str, float]]:
        """(field, 1.0 or 0.0) for each answer's class and severity and region, and (rating_error, points)."""
        answers = self._answers(batch)
        predicted = self._forward(batch, answers, device).argmax(-1).tolist()
        place = 0
        for true in answers:
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
        prompts = [self._ids(f"{self.prefix}{q}<|im_end|>\n<|im_start|>assistant\n") for q, _ in batch.texts]
        length = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
        # Padding lies on the right, where a causal model never looks back at it, so no mask is needed.
        ids = torch.full((len(prompts), length), self.tokenizer.pad_token_id)
        learn = torch.zeros((len(prompts), length), dtype=torch.bool)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            learn[row, len(prompt) - 1 : len(prompt) + len(answer) - 1] = True
        grid = torch.tensor([self.grid] * len(prompts))
        hidden = self.model.model(
            input_ids=ids.to(device),
            pixel_values=self.patches(batch.pixels).to(device),
            image_grid_thw=grid.to(device),
            position_ids=self.positions[:, :, :length].expand(-1, len(prompts), -1).to(device),
            use_cache=False,
        ).last_hidden_state
        return self.model.lm_head(hidden[learn.to(device)])

    def _positions(self, length: int) -> torch.Tensor:
        """M-RoPE positions (3, 1, length): they depend on the common prefix alone."""
        prefix = self._ids(self.prefix)
        ids = torch.tensor([prefix + [self.tokenizer.pad_token_id] * (length - len(prefix))])
        types = (ids == self.model.config.image_token_id).int()
        return self.model.model.get_rope_index(ids, image_grid_thw=torch.tensor([self.grid]), mm_token_type_ids=types)[
            0
        ]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids
