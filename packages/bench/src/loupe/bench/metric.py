"""Loupe as a metric: a callable from an image to a rating, in the manner of the metric libraries of this field.

    metric = create_metric("loupe-pocket")
    metric("photo.jpg")

The rating is what `loupe assess` gives for the same pixels and settings: with one sample, the default, the greedy
decision, so the same image has the same rating every time. The weights are loaded at the first call, and a pickled
metric loads its own: it can be handed to worker processes. Beside it: `LoupeMetric`, which gathers over batches, and
`rate_batch`, for data sets that are mapped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from loupe.bench.agent import Agents
from loupe.bench.assess import AssessConfig, Judgement, judge_images, load_agents
from loupe.bench.fast import check_fast
from loupe.bench.metric_batch import rate_batch
from loupe.bench.metric_images import items_of, picture_of
from loupe.bench.metric_state import LoupeMetric
from loupe.bench.verdicts import FIRST, LAST
from loupe.core.errors import ConfigError
from loupe.core.model.checkpoints import model_folder
from loupe.core.protocol import load_protocol

__all__ = ["METRICS", "LoupeMetric", "QualityMetric", "create_metric", "rate_batch"]

NO_SETTINGS = ("reference", "calibration")
"""Settings of `assess` that a metric has no use for: it rates a picture alone, and gives a number without interval."""
METRICS = {"loupe-pocket": "pocket-agent"}
"""Names of metrics and the model behind each; any other name is that of a model."""

_ONE_AT_A_TIME = Lock()
"""A model keeps where it is in its conversations, so two threads must not ask it at once. One lock for all metrics, for
some share their weights; and it is not pickled with them."""


class QualityMetric:
    """From images to ratings. `metric_name`, `lower_better` and `score_range` are as other metrics have them.

    `agents` take the place of the model; they are for tests.
    """

    lower_better: bool = False
    score_range: tuple[float, float] = (FIRST, LAST)

    def __init__(self, metric_name: str, config: AssessConfig, *, agents: Agents | None = None) -> None:
        """Raises ConfigError for settings that cannot be, MissingFileError for a missing protocol, ModelError."""
        _check(config)
        self.metric_name = metric_name
        self.config = config
        self._protocol = load_protocol(config.protocol, prompts=config.prompts)
        if "rating" not in self._protocol.asks:
            raise ConfigError(
                f"protocol {self._protocol.name!r} asks for {', '.join(self._protocol.asks)}, and a metric is a "
                "rating; take zoom-brief, score or zoom"
            )
        if config.fast:
            check_fast(self._protocol)
        self._given, self._loaded = agents, None
        self._files = _files(model_folder(config.model)) if agents is None else ()

    def __call__(self, images: Any, reference: Any = None) -> float | NDArray[np.float64]:
        """Rating on 1..5, higher is better: a number for one image, an array (N,) for a list or a batch (N, C, H, W).

        NaN where the agent gave no usable answer; `judge` says why. Takes no `reference`. Raises DataError for arrays
        that are no pictures, ImageError and MissingFileError for files that cannot be read, ConfigError.
        """
        if reference is not None:
            raise ConfigError(
                f"{self.metric_name} rates a picture by itself and takes no reference; leave it out, or compare two "
                "pictures with `loupe assess --protocol compare-reference`"
            )
        items, many = items_of(images)
        ratings = [np.nan if made.rating is None else made.rating for made in self._judgements(items)]
        return np.array(ratings, dtype=np.float64) if many else float(ratings[0])

    def judge(self, images: Any) -> list[Judgement]:
        """Whole judgements, with class, severity and trail, of one image or of many. Raises as a call does."""
        return list(self._judgements(items_of(images)[0]))

    def _judgements(self, items: Sequence[Any]) -> Iterator[Judgement]:
        step = max(1, self.config.batch_size // (1 if self.config.fast else self.config.samples))
        for start in range(0, len(items), step):
            part = range(start, min(start + step, len(items)))
            # Not all at once: a list may name more pictures than there is memory for.
            shown = [(_name(items[at], at), picture_of(items[at], name=_name(None, at))) for at in part]
            with _ONE_AT_A_TIME:
                made = judge_images(shown, self.config, protocol=self._protocol, agents=self._agents())
            yield from made

    def _agents(self) -> Agents:
        if self._given is not None:
            return self._given
        if self._loaded is None:
            self._loaded = load_agents(self.config, self._protocol)
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        """Everything but loaded weights: small, and the same for the same settings and model files, which is what a
        data set's cache goes by."""
        return {**self.__dict__, "_loaded": None}

    def __repr__(self) -> str:
        return f"QualityMetric({self.metric_name!r}, model={self.config.model!r}, samples={self.config.samples})"


def create_metric(name: str | PathLike[str] = "loupe-pocket", **settings: Any) -> QualityMetric:
    """The metric of this name: one of METRICS, a shipped agent, the folder of a model or an adapter, or a hub id.

    `settings` are those of `loupe.bench.assess.AssessConfig` (protocol, prompts, zoom, fast, samples, temperature,
    seed, batch_size), with one sample as the default; `model` names another model for `name`. Raises ConfigError for a
    setting that nobody knows, MissingFileError, ModelError.
    """
    word = fspath(name)
    chosen: dict[str, Any] = {"model": METRICS.get(word, word), "samples": 1, **_checked(settings)}
    return QualityMetric(word, AssessConfig(**chosen))


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with paths as words. Raises ConfigError for a name that is no setting, and for a wrong type."""
    known: dict[str, Any] = {
        field.name: field.default for field in fields(AssessConfig) if field.name not in NO_SETTINGS
    }
    made: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise ConfigError(f"a metric has no setting {key!r}; {hint}")
        made[key] = fspath(cast(PathLike[str], value)) if isinstance(value, PathLike) else value
        if not _fits(made[key], known[key]):
            kind = "float" if known[key] is None else type(known[key]).__name__
            raise ConfigError(f"{key}: got {value!r}; wanted a value of type {kind}")
    return made


def _check(config: AssessConfig) -> None:
    for name, least in (("samples", 1), ("batch_size", 1), ("seed", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"{name}: got {getattr(config, name)}; wanted at least {least}")
    for name in NO_SETTINGS:
        if getattr(config, name):
            raise ConfigError(f"a metric takes no {name}; leave it out")


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of each file of a model: other weights in one folder are another metric."""
    found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def _fits(value: Any, default: object) -> bool:
    """Whether a value has the type of a default; one that is None stands for a number or None."""
    return value is None or isinstance(value, float | int) if default is None else isinstance(value, type(default))


def _name(item: Any, number: int) -> str:
    return fspath(cast(str, item)) if isinstance(item, str | PathLike) else f"image {number}"
