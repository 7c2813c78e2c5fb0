"""Answers to comparisons, whoever gave them: an agent that was shown both images, or the ratings that it gave to each.

What is resampled together is ours: the two orders of a pair always, and all pairs of the same one or two pristine
images, for neither is an independent witness.
"""

import json
from dataclasses import dataclass

from loupe.core.records import Sample


@dataclass(frozen=True, slots=True)
class Answered:
    """One pair in one order: the images A and B, the right choice of `loupe.core.records.CHOICES`, and the one that was
    made: None where the answer could not be used. `reference` is the file of the image that both were made from, where
    it was part of the question."""

    a: Sample
    b: Sample
    truth: str
    said: str | None
    reference: str | None = None

    @property
    def right(self) -> bool:
        """The right choice was made; an answer that nobody can use is wrong."""
        return self.said == self.truth

    @property
    def order(self) -> tuple[str, str, str]:
        """What tells this question from every other one: the ids of A and B, and the reference ("" for none)."""
        return (self.a.id, self.b.id, self.reference or "")

    @property
    def swapped(self) -> tuple[str, str, str]:
        """`order` of the same pair with the images in each other's place."""
        first, second, reference = self.order
        return (second, first, reference)

    @property
    def group(self) -> str:
        """What is resampled together: pairs of one reference, else of the same one or two pristine images."""
        if self.reference is not None:
            return self.reference
        return json.dumps(sorted({self.a.group, self.b.group}))
