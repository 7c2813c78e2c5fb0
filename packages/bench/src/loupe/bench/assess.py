"""Verdicts on single pictures: `loupe assess`.

Every picture is judged several times by the same loop that evaluation plays. Sample 0 is decoded greedily: it is the
agent that `loupe evaluate` measures, and the words and the trail are its own. The others are drawn at a temperature;
together they give the rating (the mean) and its spread. Random numbers hang on the pixels, the number of the sample and
the seed, so a picture gets the same verdict under any name and in any company.

A picture that cannot be read, or that no sample rates, is a judgement with a reason; the others go on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from math import sqrt
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.bench.agent import load_policies
from loupe.bench.verdicts import expected_rating, trouble, verdict_of
from loupe.core.errors import ConfigError, ImageError, MissingFileError
from loupe.core.images import FORMATS, open_image
from loupe.core.model.checkpoints import model_folder
from loupe.core.policy import Policy
from loupe.core.printable import printable
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Box, Episode
from loupe.zoom.crop import CropPolicy
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, play

POCKET_CAVEAT = "The pocket agent learnt synthetic degradations; it is no judge of real photographs."


@dataclass
class AssessConfig:
    """Settings of `assess`."""

    model: str = "pocket-agent"
    """Name of a shipped agent, folder of a model or an adapter, or a hub id."""
    protocol: str = "zoom-brief"
    """Built-in protocol, or the path of a YAML file with one; zoom-brief is the one that the pocket agent knows."""
    zoom: bool = True
    """Whether the agent may ask for crops."""
    samples: int = 4
    """Judgements of each picture: the first is greedy, the others are drawn."""
    temperature: float = 1.0
    """Temperature of the drawn ones."""
    seed: int = 0
    """Seed of the drawn ones; the same seed gives the same result."""
    batch_size: int = 16
    """Conversations that the model answers at once."""
    crop: CropPolicy = field(default_factory=CropPolicy)
    """Bounds of a crop."""


@dataclass(frozen=True, slots=True)
class Agents:
    """One agent decoded in two ways: greedily, and by drawing."""

    greedy: Policy
    drawing: Policy


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one picture. `rating` is the mean of the usable samples' expected ratings, 1..5, higher is better.

    `spread` is their standard deviation, None below two. Class, severity and `looked_at` (regions that were shown
    enlarged) are those of the first usable sample. `problem` says why there is no rating, None where there is one.
    """

    image: str
    rating: float | None = None
    spread: float | None = None
    distortion_class: str | None = None
    severity: str | None = None
    looked_at: tuple[Box, ...] = ()
    problem: str | None = None
    samples: tuple[Episode, ...] = ()

    @property
    def main(self) -> Episode | None:
        """The first usable sample, the one that the words come from; else the first one, None where there is none."""
        return next((item for item in self.samples if verdict_of(item) is not None), next(iter(self.samples), None))

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "samples"}
        return {**plain, "samples": [episode.to_json() for episode in self.samples]}


def find_images(words: Sequence[Path]) -> list[Path]:
    """The files that `words` name: files as they stand, and the picture files below each folder, sorted by path.

    Raises MissingFileError for a folder without any, before anything is judged.
    """
    found: list[Path] = []
    for word in words:
        inside = sorted(path for path in word.rglob("*") if _is_picture(path)) if word.is_dir() else [word]
        if not inside:
            raise MissingFileError(f"{word}: no picture files in this folder; wanted names like photo.jpg or photo.png")
        found += inside
    return list(dict.fromkeys(found))


def assess(paths: Sequence[Path], config: AssessConfig, *, agents: Agents | None = None) -> Iterator[Judgement]:
    """One judgement a path, in order, each as soon as it is made. `agents` take the place of the model of the config.

    Raises ConfigError, MissingFileError for a missing protocol or model, ModelError. The model is loaded when the first
    picture has been read.
    """
    if config.samples < 1 or config.batch_size < 1:
        raise ConfigError(f"got samples {config.samples}, batch_size {config.batch_size}; wanted at least 1 of each")
    if config.seed < 0:
        raise ConfigError(f"got seed {config.seed}; wanted 0 or more")
    protocol = load_protocol(config.protocol)
    if agents is None:
        model_folder(config.model)
    step = max(1, config.batch_size // config.samples)
    for start in range(0, len(paths), step):
        opened = [_open(path) for path in paths[start : start + step]]
        pictures = [item for item in opened if not isinstance(item, Judgement)]
        if pictures and agents is None:
            agents = load_agents(config, protocol)
        made = iter(_judge(pictures, config=config, protocol=protocol, agents=agents) if agents and pictures else [])
        yield from (item if isinstance(item, Judgement) else next(made) for item in opened)


def result_row(judgement: Judgement, config: AssessConfig) -> dict[str, Any]:
    """A line of results: the judgement, and who made it with which protocol and seed."""
    return {"model": config.model, "protocol": config.protocol, "seed": config.seed, **judgement.to_json()}


def load_agents(config: AssessConfig, protocol: Protocol) -> Agents:
    """The model of the config, loaded once and decoded in both ways. Imports torch."""
    greedy, drawing = load_policies(
        config.model, protocol, temperatures=[0.0, config.temperature], batch_size=config.batch_size
    )
    return Agents(greedy, drawing)


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    image: Image.Image
    fingerprint: str


def _open(path: Path) -> _Picture | Judgement:
    try:
        image = open_image(path)
    except (ImageError, MissingFileError) as error:
        return Judgement(str(path), problem=str(error).removeprefix(f"{printable(str(path))}: "))
    pixels = f"{image.size}".encode() + image.tobytes()
    return _Picture(str(path), image, blake2b(pixels, digest_size=12).hexdigest())


def _judge(
    pictures: Sequence[_Picture], *, config: AssessConfig, protocol: Protocol, agents: Agents
) -> list[Judgement]:
    # Copies of a picture share one entry: its keys come from the pixels, and the loop wants each key once.
    unique = {picture.fingerprint: picture.image for picture in pictures}
    episodes: dict[str, list[Episode]] = {fingerprint: [] for fingerprint in unique}
    for policy, numbers in ((agents.greedy, range(1)), (agents.drawing, range(1, config.samples))):
        inputs = [LoopInput(f"{name}#{number}", name, image) for name, image in unique.items() for number in numbers]
        look = Look.DECIDED if config.zoom else Look.NEVER
        for item in play(policy, inputs, protocol, look=look, crop_policy=config.crop, seed=config.seed):
            episodes[item.episode.sample_id].append(item.episode)
    return [_judgement(picture.name, episodes[picture.fingerprint]) for picture in pictures]


def _judgement(name: str, samples: Sequence[Episode]) -> Judgement:
    usable = [(episode, turn) for episode in samples if (turn := verdict_of(episode)) is not None]
    if not usable:
        return Judgement(name, problem=f"no usable answer ({trouble(samples[0])})", samples=tuple(samples))
    ratings = [expected_rating(turn) for _, turn in usable]
    mean = sum(ratings) / len(ratings)
    squares = sum((rating - mean) ** 2 for rating in ratings)
    episode, turn = usable[0]
    return Judgement(
        image=name,
        rating=mean,
        spread=sqrt(squares / (len(ratings) - 1)) if len(ratings) > 1 else None,
        distortion_class=turn.answer.distortion_class,
        severity=turn.answer.severity,
        looked_at=tuple(item.view for item in episode.turns[1:]),
        samples=tuple(samples),
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _suffixes() and not path.name.startswith(".") and path.is_file()


@cache
def _suffixes() -> frozenset[str]:
    """Names that are taken for pictures inside a folder; a file that is named itself may be called anything."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
