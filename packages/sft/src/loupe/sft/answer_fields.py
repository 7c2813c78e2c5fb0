"""The fields of a bare answer as tokens: where they stand, and what an agent would have said there itself.

What follows a field is learnt behind what was said, so an agent that only ever reads true fields is not prepared for
its own. Drawing class and severity from its beliefs in one pass is scheduled sampling (Bengio et al. 2015) in parallel.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from loupe.core.model.rating_reader import RatingReader
from loupe.core.records import DISTORTION_CLASSES, SEVERITIES, WHOLE, Box
from loupe.data.degrade import REGIONS
from loupe.sft.labels import IGNORED

RIGHT_BOX_SHARE = 0.8
"""Share of own answers that keep the true region, where there is one; the others name any (ours)."""


BELL = 0.15
"""Standard deviation in rating points of the target of a rating: to be off by a tenth is no error of its own (ours)."""


class AnswerFields:
    """Reads and rewrites the ids of bare answers of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.keys = {
            name: tokenizer.convert_tokens_to_ids(text)
            for name, text in {
                "class": '{"distortion_class": ',
                "severity": ', "severity": ',
                "region": ', "bbox_2d": ',
                "rating": ', "rating": ',
            }.items()
        }
        self.null: int = tokenizer.convert_tokens_to_ids("null")
        self.classes = [*self._words(DISTORTION_CLASSES), self.null]
        self.severities = self._words(SEVERITIES)
        self.boxes = [self._box(box) for box in (*REGIONS, WHOLE)]

        reader = RatingReader.of(tokenizer)
        assert reader is not None, "every rating is one token of the pocket tokenizer"
        self.ratings = reader.token_ids
        """Ids (R,) of the ratings 1.0 to 5.0."""
        self.bells = torch.softmax(-0.5 * ((reader.values[:, None] - reader.values) / BELL) ** 2, dim=-1)
        """Target over all ratings for each true one (R, R); rows sum to 1."""

    def has(self, ids: list[int]) -> bool:
        """Whether these are the ids of an answer with fields."""
        return self.keys["class"] in ids and self.keys["rating"] in ids

    def rating_place(self, ids: list[int]) -> int:
        """Index of the rating."""
        return ids.index(self.keys["rating"]) + 1

    def own(
        self, ids: list[int], beliefs: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[list[int], list[int]]:
        """(ids, labels) of the answer with class and severity as the agent would say them, at times another region.

        beliefs (len(ids), vocabulary): logits of each id given the true ones before, so a severity is drawn as if the
        true class had been said. Labels are the truth, and IGNORED where what was said leaves no place for it: severity
        and region, where it took damage for none or none for some; a region behind its first wrong number.
        """
        place = {name: ids.index(key) + 1 for name, key in self.keys.items() if key in ids}
        said_class = _draw(self.classes, beliefs[place["class"]], rng)
        clean, truly_clean = said_class == self.null, ids[place["class"]] == self.null
        severity = self.null if clean else _draw(self.severities, beliefs[place["severity"]], rng)
        said = [*ids[: place["class"]], said_class, self.keys["severity"], severity]
        label = ids[place["severity"]] if clean == truly_clean else IGNORED
        labels = [*ids[: place["class"] + 1], self.keys["severity"], label]
        if "region" in place:
            true_box = ids[place["region"] : place["rating"] - 1]
            keep = not clean and not truly_clean and rng.random() < RIGHT_BOX_SHARE
            other = [self.null] if clean else self.boxes[rng.integers(len(self.boxes))]
            box = true_box if keep else other
            said += [self.keys["region"], *box]
            labels.append(self.keys["region"])
            labels += _until_wrong(true_box, box) if clean == truly_clean else [IGNORED] * len(box)
        rest = ids[place["rating"] - 1 :]
        return [*said, *rest], [*labels, *rest]

    def _words(self, words: tuple[str, ...]) -> list[int]:
        return [self.tokenizer.convert_tokens_to_ids(f'"{word}"') for word in words]

    def _box(self, box: Box) -> list[int]:
        return self.tokenizer(str(list(box)), add_special_tokens=False).input_ids


def _until_wrong(true: list[int], said: list[int]) -> list[int]:
    """The true ids up to the first one that was said wrongly: what follows it could make a region inside out."""
    wrong = next((place for place, pair in enumerate(zip(true, said, strict=True)) if pair[0] != pair[1]), len(true))
    return [*true[: wrong + 1], *[IGNORED] * (len(true) - wrong - 1)]


def _draw(options: list[int], logits: npt.NDArray[np.float32], rng: np.random.Generator) -> int:
    """One of the options by its probability among them."""
    chosen = logits[options].astype(np.float64)
    weights = np.exp(chosen - chosen.max())
    return options[int(rng.choice(len(options), p=weights / weights.sum()))]
