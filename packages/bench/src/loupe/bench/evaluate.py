"""Plays a data split under several looks and scores what came of it: `loupe evaluate`.

How images are played is `loupe.bench.playing`'s: a killed run loses the chunk in hand and no more, and `resume` goes
on behind what is there. The model is loaded only where there is something left to play.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from loupe.bench.agent import Agents, model_agents
from loupe.bench.degradation_page import write_pages
from loupe.bench.fast import ASKS as FAST_ASKS
from loupe.bench.fast import check_fast
from loupe.bench.playing import Plan, Playing, Progress, play_missing
from loupe.bench.predictions import FAST, Prediction, read_predictions
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.provenance import protocol_block
from loupe.bench.sampled import sampled_by_look
from loupe.bench.sets.names import TABLE
from loupe.bench.summary import FILE as SUMMARY
from loupe.bench.summary import Summary, summarise
from loupe.bench.trails import keep_trail_images
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, write_json
from loupe.core.model.checkpoints import model_folder
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.runs import ENVIRONMENT, open_run
from loupe.data.store import load_samples
from loupe.zoom.look import Look

__all__ = ["EvaluateConfig", "Progress", "agents_for", "base_config", "evaluate"]


@dataclass
class EvaluateConfig:
    """Settings of one evaluation."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    data: str = "data/pocket"
    """Data folder with {split}.jsonl and the images that it names."""
    split: str = "test"
    """Which split of the data folder to judge."""
    out: str = "runs/pocket/eval"
    """Folder for predictions.jsonl, summary.json, config.yaml and the images of the trails."""
    protocol: str = "zoom-brief"
    """Built-in protocol, or the path of a YAML file with one."""
    looks: list[str] = field(
        default_factory=lambda: [look.value for look in (Look.DECIDED, Look.NEVER, Look.RANDOM, Look.TRUTH)]
    )
    """What a crop shows: decided (the agent's own box), never (no zoom), random and centre (as large, elsewhere), truth
    (the damaged region), whole (the overview again), forced (as decided, but always)."""
    limit: int | None = None
    """Judge the first so many samples alone; null for all."""
    batch_size: int = 32
    """Conversations that the model answers at once; no bearing on the result beyond float noise."""
    chunk: int = 128
    """Images that are played together, and what a killed run loses at most."""
    temperature: float = 0.0
    """Temperature of the first judgement of an image, the one that scores; 0 decodes greedily."""
    samples: int = 1
    """Judgements of each image; those behind the first are drawn, and the mean of all is scored beside the first."""
    draw_temperature: float | None = None
    """Temperature of the drawn ones; null for the protocol's own."""
    fast: bool = False
    """No reasoning and no looks: the expected rating is read off the agent's distribution in one pass."""
    seed: int = 0
    """Seed of random crops, of sampling, and of the bootstrap."""
    n_boot: int = 1000
    """Bootstrap draws of every interval; 0 for figures without intervals."""
    trails: int = 8
    """Images that are kept with the run for the report to show; they are drawn by seed, not by success."""
    resume: bool = False
    """Go on behind the predictions that the out folder already holds, which must come of the same settings."""


def base_config(config: EvaluateConfig) -> EvaluateConfig:
    """The settings of an evaluation alone, out of those of a verb that builds on one."""
    return EvaluateConfig(**{item.name: getattr(config, item.name) for item in fields(EvaluateConfig)})


def evaluate(
    config: EvaluateConfig, *, policy: Policy | Agents | None = None, progress: Progress | None = None
) -> Summary:
    """Judges every sample under every look, and writes predictions.jsonl and summary.json into `config.out`.

    `policy` takes the place of the model that the config names; a bare one is asked for drawn judgements too. Raises
    ConfigError, MissingFileError, DataError, ImageError for an image of the split that cannot be read, ModelError.
    """
    protocol, data, out = load_protocol(config.protocol), Path(config.data), Path(config.out)
    looks = _looks(config, protocol)
    if config.fast:
        check_fast(protocol)
    if not {"rating", "distortion_class"} & set(protocol.asks):
        raise ConfigError(
            f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)}; what is scored of an image is its rating "
            "and what is wrong with it: take a protocol that asks for one of them, such as score, degradation or zoom, "
            "or judge single pictures with `loupe assess`"
        )
    samples = load_samples(data, config.split)[: config.limit]
    if not samples:
        raise DataError(f"{data}/{config.split}.jsonl holds no samples; name another split, or make the folder again")
    if (out / TABLE).exists():
        raise ConfigError(f"{out} holds an evaluation of several data sets; choose another folder for one")
    agents = agents_for(config, protocol, policy=policy)
    start = None if agents.model is None else model_folder(agents.model)
    open_run(out, config, data=[data / f"{config.split}.jsonl"], start=start, resume=config.resume)
    there = read_predictions(out / PREDICTIONS, attempts=True) if (out / PREDICTIONS).is_file() else []
    done = frozenset((item.sample.id, item.look, item.attempt) for item in there)
    plan = Plan(samples, looks, config.samples, done)
    if plan.left:
        how = Playing(data, protocol, seed=config.seed, chunk=config.chunk)
        play_missing(agents, plan, how, path=out / PREDICTIONS, progress=progress)
    attempts = _in_order(read_predictions(out / PREDICTIONS, attempts=True), plan)
    predictions = [item for item in attempts if item.attempt == 0]
    block = protocol_block(
        protocol, settings=asdict(config), environment=read_json(out / ENVIRONMENT), scripted=start is None
    )
    asks = FAST_ASKS if config.fast else protocol.asks
    block["asks"] = list(asks)
    summary = summarise(predictions, protocol=block, asks=asks, n_boot=config.n_boot, seed=config.seed)
    summary = replace(summary, sampled=sampled_by_look(attempts, n_boot=config.n_boot, seed=config.seed))
    keep_trail_images(predictions, data=data, out=out, count=config.trails, seed=config.seed)
    write_json(out / SUMMARY, summary.to_json())
    write_pages(out, read_json(out / SUMMARY), name=block["model"])
    return summary


def _looks(config: EvaluateConfig, protocol: Protocol) -> list[str]:
    """The looks without repeats. Raises ConfigError for settings that cannot be."""
    known = [look.value for look in Look]
    if not config.looks or set(config.looks) - set(known):
        raise ConfigError(f"looks: got {config.looks}; wanted one or more of {', '.join(known)}")
    check_numbers(config)
    if config.fast and config.samples > 1:
        raise ConfigError(f"samples: got {config.samples} with fast=true, where nothing is drawn; leave samples out")
    if config.samples > 1 and "rating" not in protocol.asks:
        raise ConfigError(
            f"samples: got {config.samples}; ratings alone are averaged, and {protocol.name!r} asks for none"
        )
    looks = [FAST] if config.fast else list(dict.fromkeys(config.looks))
    # Where there is one look, and one way to ask for it, all kinds of looks are the same.
    return looks if protocol.max_rounds > 1 or protocol.no_zoom_question else looks[:1]


def check_numbers(config: EvaluateConfig) -> None:
    """Raises ConfigError for a number that cannot be."""
    least = {"batch_size": 1, "chunk": 1, "n_boot": 0, "trails": 0, "temperature": 0, "seed": 0, "samples": 1}
    for name, bound in least.items():
        if getattr(config, name) < bound:
            raise ConfigError(f"{name}: got {getattr(config, name)}; wanted at least {bound}")
    if config.draw_temperature is not None and config.draw_temperature <= 0:
        raise ConfigError(
            f"draw_temperature: got {config.draw_temperature}; wanted above 0, or null for the protocol's"
        )
    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"limit: got {config.limit}; wanted at least 1, or null for all samples")


def agents_for(config: EvaluateConfig, protocol: Protocol, *, policy: Policy | Agents | None = None) -> Agents:
    """The agents of these settings, whose model is loaded when the first image needs it, or `policy` in their place."""
    if policy is None:
        return model_agents(
            config.model,
            protocol,
            batch_size=config.batch_size,
            temperature=config.temperature,
            draw_temperature=config.draw_temperature,
        )
    return policy if isinstance(policy, Agents) else Agents(policy, policy)


def _in_order(predictions: Sequence[Prediction], plan: Plan) -> list[Prediction]:
    """Those of the plan, look by look, in the order of the samples and their attempts, however often the run was cut
    and resumed."""
    found = {(item.look, item.sample.id, item.attempt): item for item in predictions}
    return [
        found[look, sample.id, attempt]
        for look in plan.looks
        for sample in plan.samples
        for attempt in range(plan.attempts)
    ]
