"""Plays a data split under several looks and scores what came of it: `loupe evaluate`.

Images go by in chunks; a chunk is played under every look before the next one is opened, so each file is read once and
looks that begin alike share their first turn. A chunk is written as soon as it is played: a killed run loses the chunk
in hand and no more, and `resume` goes on behind what is there. The model is loaded here, and only where there is
something left to play.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loupe.bench.agent import load_policies
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, append_predictions, read_predictions
from loupe.bench.provenance import protocol_block
from loupe.bench.reuse import RememberingPolicy
from loupe.bench.summary import FILE as SUMMARY
from loupe.bench.summary import Summary, summarise
from loupe.bench.trails import keep_trail_images
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import inside, read_json, write_json
from loupe.core.images import open_image
from loupe.core.model.checkpoints import model_folder
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample
from loupe.core.runs import ENVIRONMENT, open_run
from loupe.data.store import load_samples
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

Progress = Callable[[int, int], None]
"""Called with the episodes that are done and the episodes there are in all."""


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
    """Temperature of sampling; 0 decodes greedily."""
    seed: int = 0
    """Seed of random crops, of sampling, and of the bootstrap."""
    n_boot: int = 1000
    """Bootstrap draws of every interval; 0 for figures without intervals."""
    trails: int = 8
    """Images that are kept with the run for the report to show; they are drawn by seed, not by success."""
    resume: bool = False
    """Go on behind the predictions that the out folder already holds, which must come of the same settings."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be played: samples and looks in order, and the pairs of them that an earlier run has done."""

    samples: Sequence[Sample]
    looks: Sequence[Look]
    done: frozenset[tuple[str, str]]

    def missing(self, samples: Sequence[Sample], look: Look) -> list[Sample]:
        return [sample for sample in samples if (sample.id, look.value) not in self.done]

    @property
    def left(self) -> int:
        return sum(len(self.missing(self.samples, look)) for look in self.looks)


def evaluate(config: EvaluateConfig, *, policy: Policy | None = None, progress: Progress | None = None) -> Summary:
    """Judges every sample under every look, and writes predictions.jsonl and summary.json into `config.out`.

    `policy` takes the place of the model that the config names. Raises ConfigError, MissingFileError, DataError,
    ImageError for an image of the split that cannot be read, ModelError.
    """
    looks, protocol, data, out = _looks(config), load_protocol(config.protocol), Path(config.data), Path(config.out)
    if "rating" not in protocol.asks:
        raise ConfigError(
            f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)}; an evaluation scores ratings: take one "
            "that asks for them, such as score, score-json or zoom, or judge single pictures with `loupe assess`"
        )
    samples = load_samples(data, config.split)[: config.limit]
    if not samples:
        raise DataError(f"{data}/{config.split}.jsonl holds no samples; name another split, or make the folder again")
    start = model_folder(config.model) if policy is None else None
    open_run(out, config, data=[data / f"{config.split}.jsonl"], start=start, resume=config.resume)
    there = read_predictions(out / PREDICTIONS) if (out / PREDICTIONS).is_file() else []
    plan = _Plan(samples, looks, frozenset((item.sample.id, item.look) for item in there))
    if plan.left:
        policy = policy if policy is not None else _load(config, protocol)
        _play(policy, plan, config=config, protocol=protocol, progress=progress)
    predictions = _in_order(read_predictions(out / PREDICTIONS), plan)
    block = protocol_block(
        protocol, settings=asdict(config), environment=read_json(out / ENVIRONMENT), scripted=start is None
    )
    summary = summarise(predictions, protocol=block, n_boot=config.n_boot, seed=config.seed)
    keep_trail_images(predictions, data=data, out=out, count=config.trails, seed=config.seed)
    write_json(out / SUMMARY, summary.to_json())
    return summary


def _looks(config: EvaluateConfig) -> list[Look]:
    """The looks without repeats. Raises ConfigError for settings that cannot be."""
    known = [look.value for look in Look]
    if not config.looks or set(config.looks) - set(known):
        raise ConfigError(f"looks: got {config.looks}; wanted one or more of {', '.join(known)}")
    for name, least in (("batch_size", 1), ("chunk", 1), ("n_boot", 0), ("trails", 0), ("temperature", 0), ("seed", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name}: got {getattr(config, name)}; wanted at least {least}")
    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"limit: got {config.limit}; wanted at least 1, or null for all samples")
    return [Look(name) for name in dict.fromkeys(config.looks)]


def _load(config: EvaluateConfig, protocol: Protocol) -> Policy:
    return load_policies(config.model, protocol, temperatures=[config.temperature], batch_size=config.batch_size)[0]


def _play(
    policy: Policy, plan: _Plan, *, config: EvaluateConfig, protocol: Protocol, progress: Progress | None
) -> None:
    """Play and append all that is missing, chunk by chunk."""
    remembering, total = RememberingPolicy(policy), len(plan.samples) * len(plan.looks)
    done = total - plan.left
    for start in range(0, len(plan.samples), config.chunk):
        chunk = plan.samples[start : start + config.chunk]
        todo = [(look, samples) for look in plan.looks if (samples := plan.missing(chunk, look))]
        inputs = _inputs([sample for _, samples in todo for sample in samples], Path(config.data))
        for look, samples in todo:
            images = [inputs[sample.id] for sample in samples]
            played = play(remembering, images, protocol, look=look, seed=config.seed)
            made = [Prediction(sample, look.value, item.episode) for sample, item in zip(samples, played, strict=True)]
            append_predictions(Path(config.out) / PREDICTIONS, made)
            done += len(made)
            if progress is not None:
                progress(done, total)
        remembering.forget()


def _inputs(samples: Sequence[Sample], data: Path) -> dict[str, LoopInput]:
    """One input a sample, by its id. The key is the same under every look, or no first turn could be shared."""
    return {
        sample.id: LoopInput(
            key=f"{sample.id}#0",
            sample_id=sample.id,
            image=open_image(inside(data, sample.image)),
            truth=sample.degradation.bbox_2d if sample.degradation is not None else None,
        )
        for sample in {sample.id: sample for sample in samples}.values()
    }


def _in_order(predictions: Sequence[Prediction], plan: _Plan) -> list[Prediction]:
    """Those of the plan, look by look and in the order of the samples, however often the run was cut and resumed."""
    found = {(item.look, item.sample.id): item for item in predictions}
    return [found[look.value, sample.id] for look in plan.looks for sample in plan.samples]
