"""What becomes of one picture: made, checked twice, made again where it failed, and kept or dropped in the end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.core.errors import ImageError, LoupeError
from loupe.core.files import inside
from loupe.core.images import open_image
from loupe.core.model.endpoint import RejectedError, UnansweredError
from loupe.core.records import Episode, Rationale, RationaleTurn, Sample
from loupe.sft.rationales.consistency import ConsistencyFilter
from loupe.sft.rationales.generate import Generator
from loupe.sft.rationales.reliance import RelianceFilter
from loupe.sft.rationales.stage import Row, Stage

_LOSSES: dict[type[LoupeError], str] = {
    UnansweredError: "no answer",
    RejectedError: "a request was not accepted",
    ImageError: "the picture cannot be opened",
}
"""What may take one item alone, and how it is counted."""


class _LostError(Exception):
    """An item came to its end in a stage, by an error that is about it alone."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage, self.reason = stage, reason


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt came to nothing, and in which stage."""

    attempt: int
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of one picture: its rationale and the attempt that gave it, or None; and the attempts that failed."""

    sample: Sample
    rationale: Rationale | None
    attempt: int
    rating: float | None
    dropped_sentences: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Builder:
    """The stages and what each of them needs. `reliance` is None where that filter is off."""

    data: Path
    generator: Generator
    reliance: RelianceFilter | None
    consistency: ConsistencyFilter
    stages: dict[str, Stage]
    attempts: int
    drop_unanswered: bool

    def settle(self, sample: Sample) -> Settled:
        """Take a picture through the stages. Rows that are there are not made again. Raises LoupeError."""
        failures: list[Failure] = []
        lazily = _Lazily(inside(self.data, sample.image))
        for attempt in range(self.attempts):
            try:
                made = self._attempt(sample, attempt, lazily)
            except _LostError as lost:
                failures.append(Failure(attempt, lost.stage, lost.reason))
                break
            if isinstance(made, Failure):
                failures.append(made)
                continue
            rationale, rating, dropped = made
            return Settled(sample, rationale, attempt, rating, dropped, tuple(failures))
        return Settled(sample, None, len(failures) - 1, None, 0, tuple(failures))

    def _attempt(self, sample: Sample, attempt: int, image: "_Lazily") -> Failure | tuple[Rationale, float, int]:
        key = f"{sample.id}#{attempt}"
        made = self._row("generate", key, lambda: self.generator.generate(sample, image.open(), key=key))
        if made["problem"]:
            return Failure(attempt, "generate", made["problem"])
        episode = Episode.from_json(made["episode"])
        if self.reliance is not None:
            reliance, told = self.reliance, self.generator.told(sample)
            checked = self._row(
                "reliance",
                key,
                lambda: reliance.check(episode, made["entropy"], told=told, size=image.open().size, key=f"{key}/blind"),
            )
            if not checked["passed"]:
                return Failure(attempt, "reliance", checked["problem"] or "decided the same without the picture")
        kept = self._row(
            "consistency", key, lambda: self.consistency.check(sample, episode, image.open(), key=f"{key}/judge")
        )
        if kept["problem"]:
            return Failure(attempt, "consistency", kept["problem"])
        return rationale_of(episode, kept["texts"]), _rating(episode), len(kept["dropped"])

    def _row(self, stage: str, key: str, make: Callable[[], Row]) -> Row:
        """The row of a stage; `key` is "id#attempt". Raises _LostError where the item is to be dropped."""
        item, _, attempt = key.rpartition("#")
        try:
            return self.stages[stage].row(item, int(attempt), make)
        except tuple(_LOSSES) as error:
            if not self.drop_unanswered:
                raise
            reason = next(words for kind, words in _LOSSES.items() if isinstance(error, kind))
            raise _LostError(stage, f"{reason}: {error}") from error


def rationale_of(episode: Episode, texts: list[str]) -> Rationale:
    """The SFT example of an episode, with the texts that are left of its turns."""
    turns = tuple(RationaleTurn(turn.view, text) for turn, text in zip(episode.turns, texts, strict=True))
    return Rationale(episode.sample_id, turns)


def _rating(episode: Episode) -> float:
    verdict = episode.verdict
    assert verdict is not None and verdict.answer.rating is not None  # generate has looked
    return verdict.answer.rating


class _Lazily:
    """A picture that is opened when it is first wanted: a resumed run wants few of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image: Image.Image | None = None

    def open(self) -> Image.Image:
        if self._image is None:
            self._image = open_image(self._path)
        return self._image


def item_row(settled: Settled, state: str) -> dict[str, Any]:
    """Row of items.jsonl: what became of a picture (`state`: kept, dropped or left out) and why."""
    return {
        "item": settled.sample.id,
        "state": state,
        "attempt": settled.attempt,
        "hard": len(settled.rationale.turns) > 1 if settled.rationale else None,
        "rating": settled.rating,
        "label": settled.sample.rating,
        "image": settled.sample.image,
        "dropped_sentences": settled.dropped_sentences,
        "failures": [
            {"attempt": item.attempt, "stage": item.stage, "reason": item.reason} for item in settled.failures
        ],
    }
