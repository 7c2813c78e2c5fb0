"""What GRPO plays, chunk by chunk: the sampler that its data loader draws from, and that a run can go on with.

TRL wants chunks of distinct images, each image once for each generation, each chunk once for each optimizer pass. Which
images make a chunk depends on the seed, its number and what was learnt `lag` and more chunks before, never on when it
is asked for: the data loader fetches ahead, and what the chunk before taught may or may not be known by then. So all
processes draw the same images, and a run that goes on from a checkpoint draws what it would have drawn.

The weights, the places of tasks and the draw are in `resampling`; this file keeps what has state.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from loupe.core.errors import ConfigError, DataError
from loupe.data.rating_bins import bin_edges, rating_bins
from loupe.grpo.resampling import (
    Floats,
    Groups,
    Integers,
    ResamplingConfig,
    can_draw,
    dead_streaks,
    draw_images,
    group_rewards,
    image_weights,
    power_at,
    rarity,
    still_teaching,
    task_quotas,
    task_shares,
)

VERSION = 1
"""Form of the state."""
TASK = "zoom"
"""Task of rows that name none."""


@dataclass(frozen=True)
class Rows:
    """What the sampler knows of the training rows; all (rows,). Without tasks every row is of the one task `zoom`."""

    ratings: Sequence[float]
    datasets: Sequence[str]
    tasks: Sequence[str] = ()


def lag_of(*, passes: int, accumulation: int) -> int:
    """How many chunks back is learnt for certain when a chunk is drawn, 2 or more.

    The trainer takes the `accumulation` batches of an update, and one more, before it plays the first of them; a chunk
    lasts `passes` batches. Workers of the data loader would fetch further ahead.
    """
    return max(2, accumulation // passes + 1)


class ProgressiveSampler(Sampler[int]):
    """Yields row numbers as TRL's RepeatSampler does; `learn` takes in what the groups of a chunk earned.

    `mix` is the share of each task among the images (None: the same for all tasks); shares that do not fit a chunk come
    out right over several. A chunk takes `per_dataset` or more images of every data set that it touches in a task. The
    rows that two tasks have of one data set count as two data sets. Raises ConfigError where the rows cannot fill such
    chunks, DataError for rows that are incomplete.
    """

    def __init__(
        self,
        rows: Rows,
        config: ResamplingConfig,
        *,
        images_per_chunk: int,
        generations: int,
        passes: int,
        chunks: int,
        seed: int,
        mix: Mapping[str, float] | None = None,
        per_dataset: int | Mapping[str, int] = 1,
        lag: int = 2,
    ) -> None:
        self.config, self.seed, self.lag = config, seed, lag
        self.images_per_chunk, self.generations = images_per_chunk, generations
        self.passes, self.chunks = passes, chunks
        ratings, tasks = _checked(rows)
        self.names, self._stratum = _strata(rows.datasets, tasks)
        self._rarity = rarity(ratings, self._stratum, bins=config.bins)
        self._bin = rating_bins(ratings, bins=config.bins)
        shares = task_shares(np.unique(tasks).tolist(), mix)
        by_task = dict.fromkeys(shares, per_dataset) if isinstance(per_dataset, int) else per_dataset
        self._least = [by_task.get(task, 1) for task in shares]
        self._members = [self._datasets_of(tasks == task) for task in shares]
        self._quotas = task_quotas(np.array(list(shares.values())), size=images_per_chunk, chunks=chunks)
        self._check(list(shares))
        self._drawn: list[Integers] = []
        self._learnt: list[Groups] = []

    def __len__(self) -> int:
        return self.chunks * self.passes * self.images_per_chunk * self.generations

    def __iter__(self) -> Iterator[int]:
        for number in range(self.chunks):
            chunk = np.repeat(self.images(number), self.generations).tolist()
            for _ in range(self.passes):
                yield from chunk

    def images(self, chunk: int) -> Integers:
        """The distinct rows of a chunk (images_per_chunk,), drawn when they are first asked for.

        Raises ConfigError where it would have to know what was not learnt yet.
        """
        while len(self._drawn) <= chunk:
            self._drawn.append(self._draw(len(self._drawn)))
        return self._drawn[chunk]

    def learn(self, chunk: int, rewards: npt.ArrayLike) -> None:
        """Take in `rewards` (images_per_chunk, generations) of a chunk's groups in drawn order; NaN is unscorable.

        Every process calls it for every chunk, in order, with the same numbers. A chunk that is played again replaces
        what it taught the first time. Raises DataError for another shape or a chunk out of order.
        """
        table = np.asarray(rewards, np.float64)
        wanted = (self.images_per_chunk, self.generations)
        if table.shape != wanted:
            raise DataError(f"got rewards of shape {table.shape}; wanted {wanted}, (images of a chunk, generations)")
        if not 0 <= chunk <= len(self._learnt) or chunk >= self.chunks:
            raise DataError(
                f"got rewards of chunk {chunk}; wanted chunk {len(self._learnt)} next, or an earlier one again, "
                f"of {self.chunks} chunks"
            )
        self.images(chunk)
        self._learnt[chunk : chunk + 1] = [group_rewards(table)]

    def weights(self, chunk: int) -> Floats:
        """Weight of every row (rows,), above 0, in the draw of a chunk."""
        power = power_at(chunk / max(1, self.chunks - 1), self.config)
        return image_weights(self._rarity, self._stratum, power=power, teaching=self._teaching(chunk))

    def metrics(self) -> dict[str, float]:
        """Figures of the last chunk that was learnt from, or of the first one.

        `effective_size` is Kish's effective sample size of its weights as a share of the rows (1: uniform), `power` the
        power of the rarity, `drawn/1.0-1.5` the share of its images with such a rating, `dead_groups` the share of its
        groups that taught nothing.
        """
        chunk = max(0, len(self._learnt) - 1)
        weights = self.weights(chunk)
        figures = {
            "resampling/effective_size": float(weights.sum() ** 2 / (weights @ weights) / len(weights)),
            "resampling/power": power_at(chunk / max(1, self.chunks - 1), self.config),
        }
        if self._learnt:
            figures["resampling/dead_groups"] = float(self._learnt[-1].dead(ceiling=self.config.ceiling).mean())
        edges = bin_edges(self.config.bins)
        counts = np.bincount(self._bin[self.images(chunk)], minlength=self.config.bins)
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
            figures[f"resampling/drawn/{_edge(low)}-{_edge(high)}"] = float(count / self.images_per_chunk)
        return figures

    def draw_row(self, chunk: int) -> dict[str, Any]:
        """What a chunk drew, as a row of JSON: `chunk` and `counts`, the images by data set and rating bin.

        A data set without an image in the chunk is left out of `counts`. The row of chunk 0 has also the `edges` of the
        bins and, as `data`, the counts of all rows.
        """
        row: dict[str, Any] = {"chunk": chunk, "counts": self._counts(self.images(chunk))}
        if chunk == 0:
            row |= {"edges": bin_edges(self.config.bins), "data": self._counts(np.arange(len(self._bin)))}
        return row

    def state_dict(self) -> dict[str, Any]:
        """All that was drawn and learnt, ready for JSON."""
        return {
            "version": VERSION,
            "rows": len(self._bin),
            "seed": self.seed,
            "images_per_chunk": self.images_per_chunk,
            "drawn": [images.tolist() for images in self._drawn],
            "learnt": [{"mean": _nullable(item.mean), "spread": _nullable(item.spread)} for item in self._learnt],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: the chunks in it come as they came, the others as they would have come.

        Raises DataError for a state of another form or of other rows, seed or chunks.
        """
        mine = self.state_dict()
        for key in ("version", "rows", "seed", "images_per_chunk"):
            if state.get(key) != mine[key]:
                raise DataError(
                    f"the sampler's state has {key}={state.get(key)!r}; wanted {mine[key]}, as this run has"
                )
        try:
            drawn = [self._as_images(images) for images in state["drawn"]]
            learnt = [
                Groups(self._as_figures(item["mean"]), self._as_figures(item["spread"])) for item in state["learnt"]
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"the sampler's state is malformed ({error!r}); take another checkpoint") from error
        if len(learnt) > len(drawn):
            raise DataError(f"the sampler's state learnt from {len(learnt)} chunks and drew {len(drawn)}")
        self._drawn, self._learnt = drawn, learnt

    def _draw(self, chunk: int) -> Integers:
        weights, rng = self.weights(chunk), np.random.default_rng([self.seed, chunk])
        parts = [
            draw_images(members, weights, count=int(count), least=least, rng=rng)
            for members, count, least in zip(self._members, self._quotas[chunk], self._least, strict=True)
        ]
        # Processes play consecutive parts of a chunk, and each should get some of every task.
        return rng.permutation(np.concatenate(parts))

    def _teaching(self, chunk: int) -> Floats:
        """Second factor of the weights (rows,) for a chunk, from the chunks that are `lag` and more behind it."""
        known = max(0, chunk - self.lag + 1)
        if self.config.spent_weight == 1:
            return np.ones(len(self._bin))
        if known > len(self._learnt):
            raise ConfigError(
                f"chunk {chunk} is drawn before chunk {known - 1} was learnt from: the data loader fetches further "
                f"ahead than {self.lag} chunks; set trainer.dataloader_num_workers=0, or resampling.spent_weight=1"
            )
        dead = [groups.dead(ceiling=self.config.ceiling) for groups in self._learnt[:known]]
        history = zip(self._drawn[:known], dead, strict=True)
        return still_teaching(dead_streaks(history, images=len(self._bin)), self.config)

    def _datasets_of(self, chosen: npt.NDArray[np.bool_]) -> list[Integers]:
        """The chosen rows, data set by data set."""
        return [np.flatnonzero(chosen & (self._stratum == number)) for number in np.unique(self._stratum[chosen])]

    def _check(self, tasks: Sequence[str]) -> None:
        """Raises ConfigError where the rows of a task cannot fill its places in every chunk."""
        for task, members, quotas, least in zip(tasks, self._members, self._quotas.T, self._least, strict=True):
            sizes = np.array([len(images) for images in members])
            for places in np.unique(quotas[quotas > 0]).tolist():
                got = f"a chunk has {places} places for the task {task!r}, which has {sizes.sum()} images"
                if places > sizes.sum():
                    raise ConfigError(f"{got}; give more images, fewer images per chunk, or the task a smaller share")
                if places < least:
                    raise ConfigError(
                        f"{got}, and wanted {least} or more of each data set; give more images per chunk, the task a "
                        "larger share, or none"
                    )
                if sizes.min() < least:
                    name = self.names[self._stratum[members[sizes.argmin()][0]]]
                    raise ConfigError(f"data set {name!r} has {sizes.min()} images; wanted {least}, or leave it out")
                if not can_draw(sizes, rest=places, least=least):
                    raise ConfigError(
                        f"{got} in data sets of {sizes.tolist()}, and {least} or more of each touched one do not add "
                        "up; give more images, or other images per chunk"
                    )

    def _counts(self, images: Integers) -> dict[str, list[int]]:
        """Number of `images` by data set and rating bin; data sets without any are left out."""
        bins = self.config.bins
        flat = np.bincount(self._stratum[images] * bins + self._bin[images], minlength=len(self.names) * bins)
        return {name: row.tolist() for name, row in zip(self.names, flat.reshape(-1, bins), strict=True) if row.any()}

    def _as_images(self, values: Sequence[int]) -> Integers:
        images = np.array(values)
        whole = images.dtype.kind == "i" and images.shape == (self.images_per_chunk,)
        if not whole or images.min() < 0 or images.max() >= len(self._bin) or len(set(values)) < len(values):
            raise ValueError(f"got the images {str(values)[:80]} of a chunk")
        return images.astype(np.int64)

    def _as_figures(self, values: Sequence[float | None]) -> Floats:
        figures = np.array([np.nan if value is None else value for value in values], np.float64)
        if figures.shape != (self.images_per_chunk,):
            raise ValueError(f"got {len(figures)} figures of a chunk")
        return figures


def _checked(rows: Rows) -> tuple[Floats, npt.NDArray[np.str_]]:
    """Ratings and tasks, both (rows,)."""
    ratings = np.asarray(rows.ratings, np.float64)
    tasks = rows.tasks if len(rows.tasks) else [TASK] * len(ratings)
    if not len(ratings) == len(rows.datasets) == len(tasks):
        raise DataError(
            f"got {len(ratings)} ratings, {len(rows.datasets)} data sets, {len(tasks)} tasks; wanted as many"
        )
    if not len(ratings):
        raise ConfigError("got no rows to draw from; give a data folder with training images")
    if len(bad := np.flatnonzero(~np.isfinite(ratings))):
        raise DataError(f"row {bad[0]} has the rating {ratings[bad[0]]}; wanted a number from 1 to 5")
    return ratings, np.array(tasks)


def _strata(datasets: Sequence[str], tasks: npt.NDArray[np.str_]) -> tuple[list[str], Integers]:
    """Names of the data sets, with their task where there are several, and the number of each row's (rows,)."""
    several = len(np.unique(tasks)) > 1
    labels = [f"{name}, {task}" for name, task in zip(datasets, tasks, strict=True)] if several else list(datasets)
    names, numbers = np.unique(np.array(labels), return_inverse=True)
    return names.tolist(), numbers.astype(np.int64)


def _nullable(values: Floats) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _edge(rating: float) -> str:
    return f"{rating:.2f}".removesuffix("0")
