"""Rationales in the agent's own words: it plays episodes, and learns what it should have rated and said there.

A written rationale is true, so an agent that has seen nothing else rates by what it has just said and looks no further;
but what it says itself is wrong at times. Here what it said stays as it is, and the truth is taught behind it (as in
DAgger, Ross et al. 2011; the form is ours): the true rating in place of its own, and in half of the episodes that
zoomed onto the damage the ideal second look in place of its own. Nothing that the agent said carries loss.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState

from loupe.core.answer import Answer, render
from loupe.core.errors import DataError
from loupe.core.files import append_jsonl, read_jsonl
from loupe.core.model.loading import load_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Episode, Learn, Rationale, RationaleTurn, Sample, Turn
from loupe.data.evidence import overlap
from loupe.data.rationale import SHOWN, second_look
from loupe.data.store import load_samples
from loupe.sft.config import SftConfig
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.look import Look
from loupe.zoom.loop import play

FILE = "own_words.jsonl"
NO_ZOOM_SHARE, IDEAL_SHARE = 0.25, 0.5
"""Share of episodes in the mode without zooming; of those that saw the damage up close, share whose second look is the
ideal one (ours)."""
_CHUNK = 256


def play_own_words(config: SftConfig, *, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Play `own_words` training images with the model of `config` and write `<out>/own_words.jsonl`.

    Does nothing where `own_words` is 0. With `resume`, goes on behind what is there. `progress(done, total)` counts
    images. Raises LoupeError for what a user can mend.
    """
    if not config.own_words:
        return
    with PartialState().main_process_first():
        path, main = Path(config.out) / FILE, PartialState().is_main_process
        if main and not config.resume:
            path.unlink(missing_ok=True)
        done = len(read_jsonl(path)) if path.is_file() else 0
        samples = _drawn(config)
        if done >= len(samples) or not main:
            return
        protocol = load_protocol(config.protocol)
        model, processor = load_model(config.model)
        policy = LocalPolicy(
            model, processor, max_new_tokens=protocol.max_new_tokens, temperature=config.own_temperature
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        for first in range(done, len(samples), _CHUNK):
            chunk = samples[first : first + _CHUNK]
            for row in own_rationales(policy, Path(config.data), chunk, protocol, seed=config.seed):
                append_jsonl(path, row.to_json() if row else {})
            progress(min(first + _CHUNK, len(samples)), len(samples))


def load_own_words(config: SftConfig) -> list[Rationale]:
    """What `play_own_words` wrote; empty where `own_words` is 0. Raises DataError where no episode can be used."""
    if not config.own_words:
        return []
    path = Path(config.out) / FILE
    found = [Rationale.from_json(row) for row in read_jsonl(path) if row]
    if not found:
        raise DataError(
            f"{path}: no episode of {config.model.path} gave a rating; train it on written rationales first"
        )
    return found


def own_rationales(
    policy: Policy, folder: Path, samples: Sequence[Sample], protocol: Protocol, *, seed: int
) -> Iterator[Rationale | None]:
    """One rationale for each sample, in order; None where a turn of its episode gave no rating.

    Raises DataError for a sample whose degradation is not known.
    """
    forbidden = [bool(_rng(sample, seed).random() < NO_ZOOM_SHARE) for sample in samples]
    episodes: dict[str, Episode] = {}
    for look, zoomless in ((Look.NEVER, True), (Look.DECIDED, False)):
        chosen = [sample for sample, no_zoom in zip(samples, forbidden, strict=True) if no_zoom is zoomless]
        played = play(policy, loop_inputs(folder, chosen), protocol, look=look, seed=seed)
        episodes |= {item.episode.sample_id: item.episode for item in played}
    for sample, no_zoom in zip(samples, forbidden, strict=True):
        yield corrected(sample, episodes[sample.id], zoom_allowed=not no_zoom, seed=seed)


def corrected(sample: Sample, episode: Episode, *, zoom_allowed: bool, seed: int) -> Rationale | None:
    """The episode with the truth taught behind the agent's own words; None where a turn gave no rating."""
    truth = sample.degradation
    if truth is None:
        raise DataError(f"{sample.id}: nobody knows its degradation; own words are learnt on synthetic images")
    if any(turn.answer.rating is None or not turn.answer.usable for turn in episode.turns):
        return None
    turns = [_rated_truly(turn, sample) for turn in episode.turns]
    rng = _rng(sample, seed, 1)
    for place in range(1, len(turns)):
        view, before = turns[place].view, episode.turns[place - 1].answer.rating
        assert before is not None  # checked above
        if overlap(truth, view) >= SHOWN and rng.random() < IDEAL_SHARE:
            ideal = second_look(sample, truth, rng, view=view, before=before)
            turns = [*turns[:place], replace(ideal, learn=Learn.WORDS)]
            break
    return Rationale(sample.id, tuple(turns), zoom_allowed)


def _rated_truly(turn: Turn, sample: Sample) -> RationaleTurn:
    answer: Answer = replace(turn.answer, rating=round(sample.rating, 1))
    return RationaleTurn(turn.view, render(answer), Learn.RATING)


def _drawn(config: SftConfig) -> list[Sample]:
    """The training images to play, drawn without repeats."""
    samples = load_samples(Path(config.data), "train")
    order = np.random.default_rng([config.seed, 5]).permutation(len(samples))
    return [samples[place] for place in order[: config.own_words]]


def _rng(sample: Sample, seed: int, stream: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, stream, *sample.id.encode()])
