"""Verdicts on single pictures: `loupe assess`.

Every picture is judged several times by the same loop that evaluation plays. Sample 0 is decoded greedily: it is the
agent that `loupe evaluate` measures, and the words and the trail are its own. The others are drawn at a temperature;
together they give the rating (the mean) and its spread. Random numbers hang on the pixels, the number of the sample and
the seed, so a picture gets the same verdict under any name and in any company. In the fast mode a picture is rated once
and without a word. A calibration puts an interval around each rating.

A picture that cannot be read, or that no sample rates, is a judgement with a reason; the others go on. Protocols that
ask for something else than a rating are served alike; one that asks for a choice takes the two pictures to compare.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.bench.agent import Agents, model_agents
from loupe.bench.calibration.record import Calibration, check_way, read_calibration, way_of
from loupe.bench.fast import ASKS as FAST_ASKS
from loupe.bench.fast import check_fast, fast_episodes
from loupe.bench.pictures import fingerprint_of
from loupe.bench.predictions import FAST
from loupe.bench.verdicts import expected_rating, last_word, trouble
from loupe.core.errors import ConfigError, ImageError, MissingFileError
from loupe.core.images import open_image
from loupe.core.model.checkpoints import model_folder
from loupe.core.model.hashing import weights_sha256
from loupe.core.numbers import DASH
from loupe.core.printable import printable
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Box, Episode
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

POCKET_CAVEAT = "The pocket agent learnt synthetic degradations; it is no judge of real photographs."

OTHER_PROTOCOL = "It was taught to answer zoom-brief; under another protocol its answers mean little."


@dataclass
class AssessConfig:
    """Settings of `assess`."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    protocol: str = "zoom-brief"
    """Built-in protocol, or the path of a YAML file with one; zoom-brief is the one that the pocket agent knows."""
    prompts: str = ""
    """YAML file whose words take the place of the protocol's, for example those that a checkpoint was trained on."""
    reference: str = ""
    """Picture that a comparison is made against, for protocols that show one."""
    zoom: bool = True
    """Whether the agent may ask for crops."""
    samples: int = 4
    """Judgements of each picture: the first is greedy, the others are drawn."""
    temperature: float | None = None
    """Temperature of the drawn ones; null for the protocol's own."""
    fast: bool = False
    """No reasoning and no zoom: the expected rating is read off the agent's distribution in one pass; `samples` and
    `zoom` then have no bearing."""
    calibration: str = ""
    """calibration.json of an evaluation, for an interval around each rating; empty for none."""
    seed: int = 0
    """Seed of the drawn ones; the same seed gives the same result."""
    batch_size: int = 16
    """Conversations that the model answers at once."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one picture. `rating` is the mean of the usable samples' expected ratings, 1..5, higher is better.

    `spread` is their standard deviation, None below two. Class, severity, choice, description and `looked_at` (regions
    that were shown enlarged) are those of the first usable sample; `kept_earlier` says that its last look failed and a
    look before it counts. `interval` holds the label of so many images like those of the calibration as `holds` says (a
    share in 0..1); both are None without one. `problem` says why there is no usable answer to what the task `asks`,
    None where there is.
    """

    image: str
    rating: float | None = None
    spread: float | None = None
    distortion_class: str | None = None
    severity: str | None = None
    choice: str | None = None
    description: str | None = None
    looked_at: tuple[Box, ...] = ()
    kept_earlier: bool = False
    problem: str | None = None
    asks: tuple[str, ...] = ("rating",)
    samples: tuple[Episode, ...] = ()
    interval: tuple[float, float] | None = None
    holds: float | None = None

    @property
    def found(self) -> str:
        """The distortion in a word: its class, "none" where the agent was asked and found none, a dash where it was
        not asked."""
        return self.distortion_class or ("none" if "distortion_class" in self.asks else DASH)

    @property
    def main(self) -> Episode | None:
        """The first usable sample, the one that the words come from; else the first one, None where there is none."""
        usable = (item for item in self.samples if trouble(item, asks=self.asks) is None)
        return next(usable, next(iter(self.samples), None))

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "samples"}
        return {**plain, "samples": [episode.to_json() for episode in self.samples]}


def assess(paths: Sequence[Path], config: AssessConfig, *, agents: Agents | None = None) -> Iterator[Judgement]:
    """One judgement a path, in order, each as soon as it is made. `agents` take the place of the model of the config.

    Raises ConfigError, MissingFileError for a missing protocol or model, ModelError. The model is loaded when the first
    picture has been read.
    """
    if config.samples < 1 or config.batch_size < 1:
        raise ConfigError(f"got samples {config.samples}, batch_size {config.batch_size}; wanted at least 1 of each")
    if config.seed < 0:
        raise ConfigError(f"got seed {config.seed}; wanted 0 or more")
    protocol = load_protocol(config.protocol, prompts=config.prompts)
    if config.fast:
        check_fast(protocol)
    calibration = _calibration(config, protocol, agents)
    if "choice" in protocol.asks:
        tasks = [_comparison(paths, config, protocol)]
    elif config.reference:
        raise ConfigError(
            f"protocol {protocol.name!r} compares nothing; leave --reference out, or take compare-reference"
        )
    else:
        tasks = [(str(path), (path,)) for path in paths]
    if agents is None:
        model_folder(config.model)
    step = max(1, config.batch_size // (1 if config.fast else config.samples))
    for start in range(0, len(tasks), step):
        opened = [_open(name, files) for name, files in tasks[start : start + step]]
        pictures = [item for item in opened if not isinstance(item, Judgement)]
        if pictures and agents is None:
            agents = load_agents(config, protocol)
        made = iter(_judge(pictures, config=config, protocol=protocol, agents=agents) if agents and pictures else [])
        for item in opened:
            judgement = item if isinstance(item, Judgement) else next(made)
            yield judgement if calibration is None else _with_interval(judgement, calibration)


def _comparison(paths: Sequence[Path], config: AssessConfig, protocol: Protocol) -> tuple[str, tuple[Path, ...]]:
    """The one task of a protocol that asks for a choice: image A, image B and, where it shows one, the reference."""
    if len(paths) != 2:
        raise ConfigError(f"pictures to compare: got {len(paths)}; wanted two, image A, then image B")
    if ("{image3}" in protocol.question) is not bool(config.reference):
        wanted = "shows no reference; leave it out, or take compare-reference"
        if not config.reference:
            wanted = "shows a reference; give it with --reference, or take compare"
        raise ConfigError(f"protocol {protocol.name!r} {wanted}")
    reference = (Path(config.reference),) if config.reference else ()
    return f"{paths[0]} | {paths[1]}", (*paths, *reference)


def result_row(judgement: Judgement, config: AssessConfig) -> dict[str, Any]:
    """A line of results: the judgement, and who made it with which protocol and seed."""
    return {"model": config.model, "protocol": config.protocol, "seed": config.seed, **judgement.to_json()}


def load_agents(config: AssessConfig, protocol: Protocol) -> Agents:
    """The model of the config with its ways to answer; it is loaded when one of them is first asked."""
    return model_agents(config.model, protocol, batch_size=config.batch_size, draw_temperature=config.temperature)


def judge_images(
    images: Sequence[tuple[str, Image.Image]], config: AssessConfig, *, protocol: Protocol, agents: Agents
) -> list[Judgement]:
    """Judgements of RGB images in memory, by name, in order: what `assess` makes of files with these pixels."""
    pictures = [_Picture(name, image, (), fingerprint_of(image)) for name, image in images]
    return _judge(pictures, config=config, protocol=protocol, agents=agents)


@dataclass(frozen=True, slots=True)
class _Picture:
    """What is judged at once: an image, and those that are shown beside it; `fingerprint` is of all their pixels."""

    name: str
    image: Image.Image
    others: tuple[Image.Image, ...]
    fingerprint: str


def _open(name: str, paths: Sequence[Path]) -> _Picture | Judgement:
    try:
        image, *others = [open_image(path) for path in paths]
    except (ImageError, MissingFileError) as error:
        return Judgement(name, problem=str(error).removeprefix(f"{printable(name)}: "))
    return _Picture(name, image, tuple(others), fingerprint_of(image, *others))


def _judge(
    pictures: Sequence[_Picture], *, config: AssessConfig, protocol: Protocol, agents: Agents
) -> list[Judgement]:
    # Copies of a picture share one entry: its keys come from the pixels, and the loop wants each key once.
    unique = {picture.fingerprint: picture for picture in pictures}
    if config.fast:
        inputs = [LoopInput(f"{name}#0", name, item.image) for name, item in unique.items()]
        read = {episode.sample_id: [episode] for episode in fast_episodes(agents.rater, inputs, protocol)}
        return [_judgement(item.name, read[item.fingerprint], asks=FAST_ASKS) for item in pictures]
    episodes: dict[str, list[Episode]] = {fingerprint: [] for fingerprint in unique}
    for policy, numbers in ((agents.greedy, range(1)), (agents.drawing, range(1, config.samples))):
        inputs = [
            LoopInput(f"{name}#{number}", name, item.image, others=item.others)
            for name, item in unique.items()
            for number in numbers
        ]
        look = Look.DECIDED if config.zoom else Look.NEVER
        for item in play(policy, inputs, protocol, look=look, seed=config.seed):
            episodes[item.episode.sample_id].append(item.episode)
    return [_judgement(picture.name, episodes[picture.fingerprint], asks=protocol.asks) for picture in pictures]


def _judgement(name: str, samples: Sequence[Episode], *, asks: Sequence[str]) -> Judgement:
    usable = [(episode, turn) for episode in samples if (turn := last_word(episode, asks=asks)) is not None]
    if not usable:
        reason = trouble(samples[0], asks=asks)
        return Judgement(name, problem=f"no usable answer ({reason})", asks=tuple(asks), samples=tuple(samples))
    rating, spread = _mean([expected_rating(turn) for _, turn in usable]) if "rating" in asks else (None, None)
    episode, turn = usable[0]
    return Judgement(
        image=name,
        rating=rating,
        spread=spread,
        distortion_class=turn.answer.distortion_class,
        severity=turn.answer.severity,
        choice=turn.answer.choice,
        description=turn.answer.description,
        looked_at=tuple(item.view for item in episode.turns[1:]),
        kept_earlier=turn is not episode.turns[-1],
        asks=tuple(asks),
        samples=tuple(samples),
    )


def _calibration(config: AssessConfig, protocol: Protocol, agents: Agents | None) -> Calibration | None:
    """The calibration of the config. Raises ConfigError where it is of another way to judge."""
    if not config.calibration:
        return None
    made, model = read_calibration(config.calibration), config.model if agents is None else agents.model
    way = way_of(
        protocol,
        weights="" if model is None else weights_sha256(model),
        look=FAST if config.fast else (Look.DECIDED if config.zoom else Look.NEVER).value,
        samples=config.samples,
        draw_temperature=config.temperature,
    )
    check_way(made, way, file=config.calibration)
    return made


def _with_interval(judgement: Judgement, calibration: Calibration) -> Judgement:
    if judgement.rating is None:
        return judgement
    ends = calibration.interval(judgement.rating, judgement.spread)
    return replace(judgement, interval=ends, holds=1.0 - calibration.alpha)


def _mean(ratings: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation; None for the latter below two ratings."""
    mean = sum(ratings) / len(ratings)
    squares = sum((rating - mean) ** 2 for rating in ratings)
    return mean, sqrt(squares / (len(ratings) - 1)) if len(ratings) > 1 else None
