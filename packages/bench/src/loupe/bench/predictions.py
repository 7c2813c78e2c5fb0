"""The rows of predictions.jsonl: one image, one way of looking, and the episode that came of it.

A row holds its sample, so the file can be scored, plotted and audited with nothing else at hand. Where an image was
judged several times there is a row for each attempt, and whoever reads the file gets the first ones unless he asks for
all: a figure over rows is then never one over attempts that took themselves for images.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from loupe.bench.row_file import read_rows
from loupe.core.files import append_jsonl
from loupe.core.records import Episode, Sample

FILE = "predictions.jsonl"
FAST = "fast"
"""Stands for the look where the agent did not reason: its rating was read off the overview in one pass."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an agent made of one sample under one look (a value of `loupe.zoom.look.Look`, or `FAST`).

    Attempt 0 is the one that scores; those behind it were drawn. Files from before there were several have that alone.
    """

    sample: Sample
    look: str
    episode: Episode
    attempt: int = 0

    @property
    def group(self) -> str:
        """What is resampled together: images of one reference image, else the image alone."""
        return self.sample.group

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return {
            "sample": self.sample.to_json(),
            "look": self.look,
            "attempt": self.attempt,
            "episode": self.episode.to_json(),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        return cls(
            Sample.from_json(row["sample"]),
            row["look"],
            Episode.from_json(row["episode"]),
            int(row.get("attempt", 0)),
        )


def append_predictions(path: Path | str, predictions: Iterable[Prediction]) -> None:
    """Append one line per prediction. A kill in the middle loses the line in hand and nothing before it."""
    for prediction in predictions:
        append_jsonl(path, prediction.to_json())


def read_predictions(path: Path | str, *, attempts: bool = False) -> list[Prediction]:
    """The rows of a predictions file, in order: the first attempt at each image, or with `attempts` all of them.

    Raises MissingFileError, and DataError for a row of another form.
    """
    rows = read_rows(path, Prediction.from_json, what="prediction", advice="wanted a line that loupe evaluate wrote")
    return rows if attempts else [row for row in rows if row.attempt == 0]
