"""The rows of comparisons.jsonl: one pair in one order, and the episode that came of it.

A row holds its samples, so the file can be scored with nothing else at hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from loupe.bench.choices import choice_of
from loupe.bench.comparison.answers import Answered
from loupe.bench.comparison.matches import Match
from loupe.bench.row_file import read_rows
from loupe.core.files import append_jsonl
from loupe.core.records import CHOICES, Episode, Sample

FILE = "comparisons.jsonl"


@dataclass(frozen=True, slots=True)
class PlayedMatch:
    """What an agent made of one match."""

    match: Match
    episode: Episode

    @property
    def answered(self) -> Answered:
        """The question with the choice that was made; None for one that is none of the three, letter for letter."""
        return self.match.answered(choice_of(self.episode))

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        match = self.match
        return {
            "image_a": match.a.to_json(),
            "image_b": match.b.to_json(),
            "reference": match.reference,
            "choice": match.choice,
            "episode": self.episode.to_json(),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`. Raises ValueError for a choice that is none."""
        if row["choice"] not in CHOICES:
            raise ValueError(f"choice {row['choice']!r}")
        a, b = Sample.from_json(row["image_a"]), Sample.from_json(row["image_b"])
        return cls(Match(a, b, row["choice"], row["reference"]), Episode.from_json(row["episode"]))


def append_played(path: Path | str, played: Iterable[PlayedMatch]) -> None:
    """Append one line a match. A kill in the middle loses the line in hand and nothing before it."""
    for item in played:
        append_jsonl(path, item.to_json())


def read_played(path: Path | str) -> list[PlayedMatch]:
    """All rows of a file, in order. Raises MissingFileError, and DataError for a row of another form."""
    return read_rows(path, PlayedMatch.from_json, what="comparison", advice="wanted a line that loupe evaluate wrote")
