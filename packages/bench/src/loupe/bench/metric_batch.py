"""Adds ratings to a data set by its own `map`: from a metric to a function of batches.

A batch is a mapping from column to list, as `datasets.Dataset.map(..., batched=True)` hands it over; nothing of that
library is imported. The function is an object with plain fields, so the library can take its fingerprint, keep results
in its cache, and send it to worker processes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loupe.core.errors import ConfigError, DataError, ImageError, MissingFileError

Batch = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class BatchRater:
    """What `rate_batch` makes."""

    metric: Callable[[Any], Any]
    column: str
    rating: str
    problem: str | None

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        """The new columns for one batch. Raises ConfigError where it lacks the column of images."""
        if self.column not in batch:
            raise ConfigError(f"no column {self.column!r}; there is {', '.join(batch)}; name the one with the images")
        one = batch[self.column]
        if isinstance(one, (str, bytes, Mapping)) or not hasattr(one, "__len__"):
            raise ConfigError(f"column {self.column!r} holds one image and no list of them; map with batched=True")
        images = list(batch[self.column])
        rows = self._rows(images)
        made: dict[str, list[Any]] = {self.rating: [rating for rating, _ in rows]}
        return {**made, self.problem: [problem for _, problem in rows]} if self.problem else made

    def _rows(self, images: Sequence[Any]) -> list[tuple[float | None, str | None]]:
        try:
            return [_row(rating) for rating in self.metric(images)]
        except (DataError, ImageError, MissingFileError):
            if self.problem is None:
                raise
            # One that cannot be read is no reason to lose the batch.
            return [self._row(image) for image in images]

    def _row(self, image: Any) -> tuple[float | None, str | None]:
        try:
            (rating,) = self.metric([image])
        except (DataError, ImageError, MissingFileError) as error:
            return None, str(error)
        return _row(rating)


def rate_batch(
    metric: Callable[[Any], Any], column: str = "image", *, rating: str = "rating", problem: str | None = None
) -> BatchRater:
    """A function that adds the column `rating`, from the images in `column`, to a batch; None, a null, for no usable
    answer.

    An image that cannot be read ends the map with its error; with a column `problem` it gets a null and the reason
    there, and the others of its batch are then rated one by one.
    """
    return BatchRater(metric, column, rating, problem)


def _row(rating: float) -> tuple[float | None, str | None]:
    return (None, "no usable answer") if math.isnan(rating) else (float(rating), None)
