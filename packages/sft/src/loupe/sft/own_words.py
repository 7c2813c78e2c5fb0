"""Rationales in the agent's own words: it plays episodes, and learns what it should have rated or said there.

A written rationale is true, so an agent that has seen nothing else rates by what it has just said and looks no further;
but what it says itself is wrong at times. Here what it said stays and carries no loss, and the truth is taught behind
it, in the last turn: the true rating in place of its own, or, in half of the episodes that end on a crop of the damage,
the ideal look in place of its own. After DAgger (Ross et al. 2011); the form is ours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import append_jsonl, read_jsonl
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Learn, Rationale, RationaleTurn, Sample
from loupe.data.evidence import overlap
from loupe.data.rationale import SHOWN, second_look
from loupe.data.store import load_samples
from loupe.sft.config import SftConfig
from loupe.sft.examples import Example, examples_of
from loupe.sft.learned import rating_span
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.look import Look
from loupe.zoom.loop import play

FILES = "own_words-*.jsonl"
"""One file a process in the run folder; a row is {"sample": id, "rationale": what came of it or null}."""
SOURCE = "own words"
"""What they are called among the sources of a mix."""
NO_ZOOM_SHARE, IDEAL_SHARE = 0.25, 0.5
"""Share of episodes in the mode without zooming; of those that end on a crop of the damage, share whose last look is
the ideal one (ours)."""
_CHUNK = 128


def own_words(
    config: SftConfig,
    policy: Callable[[], Policy],
    protocol: Protocol,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[Sample, Rationale]]:
    """Play `config.own_words` training images, drawn by seed, and give what came of them.

    Rows that the run folder holds already are not played again. Processes share the images among them.
    `progress(done, total)` counts the images of this process. Raises ConfigError, MissingFileError, DataError.
    """
    if config.own_words < 0:
        raise ConfigError(f"own_words={config.own_words}; wanted 0 or more images")
    out, data, state = Path(config.out), Path(config.data), PartialState()
    samples = _drawn(data, config)
    there = {row["sample"] for row in _rows(out)}
    mine = samples[state.process_index :: state.num_processes]
    left = [sample for sample in mine if sample.id not in there]
    path = out / FILES.replace("*", str(state.process_index))
    player = policy() if left else None
    for first in range(0, len(left), _CHUNK):
        assert player is not None  # there is something left
        chunk = left[first : first + _CHUNK]
        made = own_rationales(player, data, chunk, protocol, seed=config.seed)
        for sample, rationale in zip(chunk, made, strict=True):
            append_jsonl(path, {"sample": sample.id, "rationale": rationale.to_json() if rationale else None})
        if progress is not None:
            progress(len(mine) - len(left) + first + len(chunk), len(mine))
    state.wait_for_everyone()
    found = {row["sample"]: row["rationale"] for row in _rows(out)}
    spoken = [(sample, Rationale.from_json(found[sample.id])) for sample in samples if found[sample.id]]
    if not spoken:
        raise DataError(f"no episode of {config.model.path} gave a rating; train it with own_words=0 first")
    return spoken


def own_rationales(
    policy: Policy, folder: Path, samples: Sequence[Sample], protocol: Protocol, *, seed: int
) -> Iterator[Rationale | None]:
    """One rationale for each sample, in order; None where its episode ended without a rating."""
    forbidden = {sample.id: bool(_rng(sample, seed).random() < NO_ZOOM_SHARE) for sample in samples}
    episodes: dict[str, Episode] = {}
    for look in (Look.NEVER, Look.DECIDED):
        chosen = [sample for sample in samples if forbidden[sample.id] is (look is Look.NEVER)]
        played = play(policy, loop_inputs(folder, chosen), protocol, look=look, seed=seed)
        episodes |= {item.episode.sample_id: item.episode for item in played}
    for sample in samples:
        yield corrected(sample, episodes[sample.id], zoom_allowed=not forbidden[sample.id], seed=seed)


def corrected(sample: Sample, episode: Episode, *, zoom_allowed: bool, seed: int) -> Rationale | None:
    """The episode with the truth taught in its last turn; None where that turn gave no rating."""
    truth, (*before, last) = sample.degradation, episode.turns
    span = rating_span(last.text)
    if truth is None or last.answer.rating is None or span is None:
        return None
    context = [RationaleTurn(turn.view, turn.text, Learn.NOTHING) for turn in before]
    rng = _rng(sample, seed, 1)
    first_rating = before[-1].answer.rating if before else None
    if first_rating is not None and overlap(truth, last.view) >= SHOWN and rng.random() < IDEAL_SHARE:
        ideal = second_look(sample, truth, rng, view=last.view, before=first_rating)
        taught = replace(ideal, learn=Learn.WORDS)
    else:
        text = f"{last.text[: span[0]]}{round(sample.rating, 1)}{last.text[span[1] :]}"
        taught = RationaleTurn(last.view, text, Learn.RATING)
    return Rationale(sample.id, (*context, taught), zoom_allowed)


def without_ratings(examples: Sequence[Example], protocol: Protocol) -> list[Example]:
    """Written rationales to learn beside own words: in the protocol of these, ratings are learnt behind them alone.

    A rating that follows a true statement says nothing about one that follows a guess.
    """
    return [_without_rating(item) if item.protocol == protocol else item for item in examples]


def spoken_examples(own: Sequence[tuple[Sample, Rationale]], folder: Path, protocol: Protocol) -> list[Example]:
    """Own words as examples."""
    return [
        example
        for sample, rationale in own
        for example in examples_of(rationale, [sample], folder=folder, protocol=protocol, source=SOURCE)
    ]


def _without_rating(example: Example) -> Example:
    turns = (replace(turn, learn=Learn.WORDS) if turn.learn is Learn.ALL else turn for turn in example.rationale.turns)
    return replace(example, rationale=replace(example.rationale, turns=tuple(turns)))


def _drawn(data: Path, config: SftConfig) -> list[Sample]:
    """The training images to play, drawn without repeats. Raises DataError where the damage of one is not known."""
    samples = load_samples(data, "train")
    order = np.random.default_rng([config.seed, 5]).permutation(len(samples))
    drawn = [samples[place] for place in order[: config.own_words]]
    if unknown := [sample.id for sample in drawn if sample.degradation is None]:
        raise DataError(f"{unknown[0]}: nobody knows its degradation; own words are learnt on synthetic images")
    return drawn


def _rows(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(out.glob(FILES)) for row in read_jsonl(path)]


def _rng(sample: Sample, seed: int, stream: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, stream, *sample.id.encode()])
