"""Playing what an evaluation lacks: chunk by chunk, look by look, attempt by attempt, each written as soon as it is
played.

Images go by in chunks; a chunk is played under every look before the next one is opened, so each file is read once and
looks that begin alike share their first turn. A killed run loses what is in hand and no more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loupe.bench.agent import Agents
from loupe.bench.fast import fast_episodes
from loupe.bench.predictions import FAST, Prediction, append_predictions
from loupe.bench.reuse import RememberingPolicy
from loupe.core.files import inside
from loupe.core.images import open_image
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

Progress = Callable[[int, int], None]
"""Called with the episodes that are done and the episodes there are in all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played: samples, looks and so many attempts in order, and those that an earlier run has done."""

    samples: Sequence[Sample]
    looks: Sequence[str]
    attempts: int = 1
    done: frozenset[tuple[str, str, int]] = frozenset()

    def missing(self, samples: Sequence[Sample], look: str, attempts: Sequence[int]) -> list[tuple[Sample, int]]:
        """Attempts at these samples that nobody has made, those at one sample together."""
        every = [(sample, attempt) for sample in samples for attempt in attempts]
        return [(sample, attempt) for sample, attempt in every if (sample.id, look, attempt) not in self.done]

    @property
    def total(self) -> int:
        """Episodes in all."""
        return len(self.samples) * len(self.looks) * self.attempts

    @property
    def left(self) -> int:
        """Episodes that are missing."""
        return sum(len(self.missing(self.samples, look, range(self.attempts))) for look in self.looks)


@dataclass(frozen=True, slots=True)
class Playing:
    """How it is played: the data folder, the protocol, the seed, and how many images at a time."""

    data: Path
    protocol: Protocol
    seed: int
    chunk: int


def play_missing(agents: Agents, plan: Plan, how: Playing, *, path: Path, progress: Progress | None = None) -> None:
    """Play all that is missing and append it to the predictions file `path`. The first attempt at an image is played
    by the agent's main policy, the others by the one that draws. Raises ImageError, DataError, ModelError."""
    done, player = plan.total - plan.left, _Player(agents, how)
    for start in range(0, len(plan.samples), how.chunk):
        chunk = plan.samples[start : start + how.chunk]
        for made in player.chunk(chunk, plan):
            append_predictions(path, made)
            done += len(made)
            if progress is not None:
                progress(done, plan.total)
        player.forget()


class _Player:
    """Plays one chunk after the other; what a policy said is remembered until `forget`."""

    def __init__(self, agents: Agents, how: Playing) -> None:
        self._agents, self._how = agents, how
        self._policies: dict[bool, RememberingPolicy] = {}

    def chunk(self, samples: Sequence[Sample], plan: Plan) -> Iterator[list[Prediction]]:
        """What is missing of these samples, a part at a time."""
        parts = [
            (look, drawn, todo)
            for look in plan.looks
            for drawn, attempts in ((False, range(1)), (True, range(1, plan.attempts)))
            if (todo := plan.missing(samples, look, attempts))
        ]
        inputs = sample_inputs([sample for _, _, todo in parts for sample, _ in todo], self._how.data)
        for look, drawn, todo in parts:
            # The key is the same under every look, or no first turn could be shared.
            images = [_attempt(inputs[sample.id], number) for sample, number in todo]
            episodes = self._episodes(images, look, drawn=drawn)
            yield [
                Prediction(sample, look, episode, number)
                for (sample, number), episode in zip(todo, episodes, strict=True)
            ]

    def forget(self) -> None:
        """Drop what the policies said."""
        for policy in self._policies.values():
            policy.forget()

    def _episodes(self, images: Sequence[LoopInput], look: str, *, drawn: bool) -> list[Episode]:
        if look == FAST:
            return fast_episodes(self._agents.rater, images, self._how.protocol)
        played = play(self._policy(drawn=drawn), images, self._how.protocol, look=Look(look), seed=self._how.seed)
        return [item.episode for item in played]

    def _policy(self, *, drawn: bool) -> Policy:
        if drawn not in self._policies:
            self._policies[drawn] = RememberingPolicy(self._agents.drawing if drawn else self._agents.greedy)
        return self._policies[drawn]


def sample_inputs(samples: Sequence[Sample], data: Path) -> dict[str, LoopInput]:
    """One input a sample, by its id, with its image opened once. Raises ImageError, DataError, MissingFileError."""
    return {
        sample.id: LoopInput(
            key=f"{sample.id}#0",
            sample_id=sample.id,
            image=open_image(inside(data, sample.image)),
            truth=sample.degradation.bbox_2d if sample.degradation is not None else None,
        )
        for sample in {sample.id: sample for sample in samples}.values()
    }


def _attempt(source: LoopInput, number: int) -> LoopInput:
    return LoopInput(f"{source.sample_id}#{number}", source.sample_id, source.image, source.truth)
