"""Plays the labelled pairs of a data folder with an agent that compares, and scores what came of it: `loupe evaluate`
with a protocol that asks for a choice.

Pairs go by in chunks; a chunk is written as soon as it is played, so a killed run loses the chunk in hand and no more,
and `resume` goes on behind what is there. Settings are those of an evaluation; there are no looks and no trails here.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loupe.bench.agent import load_policies
from loupe.bench.comparison.figures import ComparisonFigures, comparison_figures
from loupe.bench.comparison.matches import Match, load_matches, match_inputs, pairs_file
from loupe.bench.comparison.played import FILE, PlayedMatch, append_played, read_played
from loupe.bench.evaluate import EvaluateConfig, check_numbers
from loupe.bench.provenance import protocol_block
from loupe.bench.summary import FILE as SUMMARY
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, write_json
from loupe.core.model.checkpoints import model_folder
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.runs import ENVIRONMENT, open_run
from loupe.zoom.loop import play

Progress = Callable[[int, int], None]
"""Called with the pairs that are done and the pairs there are in all."""
_BLOCK = {
    "unusable": "counted as wrong, as inconsistent, and as an answer for neither place",
    "pairs": "each order of a pair is a question of its own; an answer counts letter for letter",
}


@dataclass(frozen=True, slots=True)
class CompareSummary:
    """Everything in summary.json of a comparing agent."""

    comparison: ComparisonFigures
    protocol: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `loupe.core.files.write_json`, which writes NaN as null."""
        return asdict(self)


def compare(
    config: EvaluateConfig, *, policy: Policy | None = None, progress: Progress | None = None
) -> CompareSummary:
    """Shows every pair of `config.data`, and writes comparisons.jsonl and summary.json into `config.out`.

    `policy` takes the place of the model that the config names. Raises ConfigError, MissingFileError, DataError,
    ImageError for an image of a pair that cannot be read, ModelError.
    """
    check_numbers(config)
    if config.fast or config.samples > 1:
        raise ConfigError("fast and samples are for ratings; leave them out with a protocol that compares")
    protocol, data, out = load_protocol(config.protocol), Path(config.data), Path(config.out)
    if "choice" not in protocol.asks:
        raise ConfigError(f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)}; wanted one that compares")
    matches = load_matches(data, config.split, protocol=protocol)[: config.limit]
    if not matches:
        raise DataError(f"{pairs_file(data, config.split)} holds no pairs; make it again with `loupe data pairs`")
    start = model_folder(config.model) if policy is None else None
    files = [data / f"{config.split}.jsonl", pairs_file(data, config.split)]
    open_run(out, config, data=files, start=start, resume=config.resume)
    there = _there(out)
    left = [match for match in matches if match.key not in there]
    if left:
        agent, done = policy or _load(config, protocol), len(matches) - len(left)
        _play(agent, left, config=config, done=done, protocol=protocol, progress=progress)
    found = _there(out)
    answers = [found[match.key].answered for match in matches]
    block = protocol_block(
        protocol, settings=asdict(config), environment=read_json(out / ENVIRONMENT), scripted=start is None
    )
    block |= {"asks": list(protocol.asks), **_BLOCK}
    summary = CompareSummary(comparison_figures(answers, n_boot=config.n_boot, seed=config.seed), block)
    write_json(out / SUMMARY, summary.to_json())
    return summary


def _there(out: Path) -> dict[str, PlayedMatch]:
    """What an earlier run and this one have played, by the key of the match."""
    played = read_played(out / FILE) if (out / FILE).is_file() else []
    return {item.match.key: item for item in played}


def _load(config: EvaluateConfig, protocol: Protocol) -> Policy:
    return load_policies(config.model, protocol, temperatures=[config.temperature], batch_size=config.batch_size)[0]


def _play(
    policy: Policy,
    left: Sequence[Match],
    *,
    config: EvaluateConfig,
    done: int,
    protocol: Protocol,
    progress: Progress | None,
) -> None:
    """Play and append all that is missing, chunk by chunk; `done` is what an earlier run has played."""
    for start in range(0, len(left), config.chunk):
        chunk = left[start : start + config.chunk]
        episodes = play(policy, match_inputs(Path(config.data), chunk), protocol, seed=config.seed)
        made = [PlayedMatch(match, item.episode) for match, item in zip(chunk, episodes, strict=True)]
        append_played(Path(config.out) / FILE, made)
        if progress is not None:
            progress(done + start + len(chunk), done + len(left))
