"""What the reward terms see of a batch: for each completion what was said, what was asked, and what is true.

A batch may mix tasks, as Q-Insight does: what a completion was not asked for, or what nobody labelled, it is not paid
for. Episodes of the zoom loop, which are all asked by one protocol, become completions by `batch_of`; other tasks, such
as a comparison of two images, are completions made by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loupe.core.answer import Answer
from loupe.core.errors import DataError
from loupe.core.protocol import Protocol
from loupe.core.records import Box, Episode, Sample, severity_word


class Finding(NamedTuple):
    """What is wrong with an image: class and severity as words, both None for "nothing"."""

    distortion_class: str | None
    severity: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One completion: a whole episode, or the answer to a single prompt.

    `image` names what was judged. `turns` are the texts of all turns, `ratings` what each of them said (None for
    nothing usable), `verdict` the answer that is paid, in the terms of `loupe.core.answer.plain`, None where there is
    none. `asks` are the answer keys of the task. Truths are None where nobody knows them: `target` on 1..5, `finding`,
    `region` in [0, 1] for local damage, `choice` of a comparison. `dataset` names what images may be ranked within.
    """

    image: str
    turns: tuple[str, ...]
    verdict: Answer | None
    asks: tuple[str, ...]
    ratings: tuple[float | None, ...] = ()
    dataset: str = ""
    target: float | None = None
    finding: Finding | None = None
    region: Box | None = None
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class RewardBatch:
    """N completions, `num_generations` of each image in a row. Raises DataError where they do not stand so."""

    completions: tuple[Completion, ...]
    num_generations: int
    dialect: str = "loupe"
    """Dialect of the answers, which decides about their layout."""

    def __post_init__(self) -> None:
        count, k = len(self.completions), self.num_generations
        if k < 1 or count % k:
            raise DataError(f"got {count} completions and num_generations {k}; wanted a whole number of groups")
        for place, item in enumerate(self.completions):
            first = self.completions[place - place % k]
            if _task(item) != _task(first):
                raise DataError(
                    f"place {place}: got a completion of {item.image!r} in the group of {first.image!r}; wanted the "
                    "completions of one image and one task in a row"
                )


def _task(item: Completion) -> tuple[object, ...]:
    """What the completions of one group share."""
    return (item.image, item.asks, item.dataset, item.target, item.finding, item.region, item.choice)


def batch_of(
    episodes: Sequence[Episode], samples: Sequence[Sample], *, num_generations: int, protocol: Protocol
) -> RewardBatch:
    """Batch of N episodes. `samples` (N,) are their images, each repeated `num_generations` times in a row.

    Raises DataError where episodes and samples do not belong together in this order.
    """
    if len(episodes) != len(samples):
        raise DataError(f"got {len(episodes)} episodes, {len(samples)} samples; wanted as many samples as episodes")
    for place, (episode, sample) in enumerate(zip(episodes, samples, strict=True)):
        if episode.sample_id != sample.id:
            raise DataError(
                f"place {place}: got an episode of {episode.sample_id!r} beside the sample {sample.id!r}; wanted each "
                "beside its own sample"
            )
    asks = tuple(protocol.asks)
    completions = tuple(completion_of(*pair, asks=asks) for pair in zip(episodes, samples, strict=True))
    return RewardBatch(completions, num_generations, protocol.dialect)


def completion_of(episode: Episode, sample: Sample, *, asks: tuple[str, ...]) -> Completion:
    """An episode over one image, with what its sample says of it."""
    damage = sample.degradation
    return Completion(
        image=sample.id,
        turns=tuple(turn.text for turn in episode.turns),
        verdict=_verdict(episode, asks),
        asks=asks,
        ratings=tuple(turn.answer.rating if turn.answer.usable else None for turn in episode.turns),
        dataset=sample.dataset,
        target=sample.rating,
        finding=None if damage is None else Finding(damage.distortion_class, severity_word(damage.severity)),
        region=damage.bbox_2d if damage is not None and damage.is_local else None,
    )


def comparison_of(
    episode: Episode, samples: tuple[Sample, Sample], *, choice: str, asks: tuple[str, ...]
) -> Completion:
    """An episode over the images A and B; `choice` is the right one of `loupe.core.records.CHOICES`."""
    return Completion(
        image=episode.sample_id,
        turns=tuple(turn.text for turn in episode.turns),
        verdict=_verdict(episode, asks),
        asks=asks,
        dataset=samples[0].dataset,
        choice=choice,
    )


def _verdict(episode: Episode, asks: tuple[str, ...]) -> Answer | None:
    """The last usable answer that says what was asked: a rating, or for a task without one anything at all."""
    said = [turn.answer for turn in episode.turns if turn.answer.usable]
    return next((answer for answer in reversed(said) if answer.rating is not None or "rating" not in asks), None)
