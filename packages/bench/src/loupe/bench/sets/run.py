"""Judges several data folders with one model in one go, and makes one table of them: `loupe evaluate` with `sets`.

Each set is an evaluation of its own in a folder of its own, so that it can be resumed, reported and audited like any
other; the model is loaded once for all of them. Every folder is looked into before the first image is judged.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loupe.bench.agent import Agents
from loupe.bench.evaluate import agents_for, evaluate
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.sets.config import DataSet, SetsConfig, data_sets, settings_of
from loupe.bench.sets.names import PAGE, TABLE
from loupe.bench.sets.page import table_page
from loupe.bench.sets.table import read_set, table_of
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, write_json, write_text_atomic
from loupe.core.policy import Policy
from loupe.core.protocol import load_protocol
from loupe.core.runs import check_free
from loupe.data.store import load_samples

Progress = Callable[[int, int, str], None]
"""Called with the images that are done, the images there are in all sets, and the name of the set at work."""


def evaluate_sets(
    config: SetsConfig, *, policy: Policy | Agents | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Judge every set into `out`/name, and write table.json and table.html into `out`; returns what table.json holds.

    `policy` takes the place of the model that the config names. Raises as `evaluate` does, and ConfigError for a list
    of sets that cannot be, DataError for a set without opinions: both before anything is judged.
    """
    items = data_sets(config)
    sizes = _sizes(config, items)
    out, before, total = Path(config.out), 0, sum(sizes)
    if (out / PREDICTIONS).exists():
        raise ConfigError(f"{out} holds the evaluation of a single set; choose another folder for several")
    agents = agents_for(config, load_protocol(config.protocol), policy=policy)
    for item, size in zip(items, sizes, strict=True):
        told = _part(progress, item, before, size, total)
        evaluate(settings_of(config, item), policy=agents, progress=told)
        before += size
    table = table_of([read_set(out / item.name, item.name) for item in items], n_boot=config.n_boot, seed=config.seed)
    write_json(out / TABLE, table)
    # The page is made of what table.json holds, so the two cannot differ.
    write_text_atomic(out / PAGE, table_page(read_json(out / TABLE)))
    return read_json(out / TABLE)


def _sizes(config: SetsConfig, items: Sequence[DataSet]) -> list[int]:
    """Images of every set that will be judged. Raises for whatever would stop one of them."""
    if "rating" not in load_protocol(config.protocol).asks:
        raise ConfigError(f"protocol {config.protocol!r} asks for no rating; judge its data sets one by one")
    sizes: list[int] = []
    for item in items:
        samples = load_samples(Path(item.data), item.split)[: config.limit]
        if not any(math.isfinite(sample.rating) for sample in samples):
            raise DataError(f"set {item.name!r} ({item.data}, {item.split}): no image has an opinion; leave it out")
        check_free(Path(config.out) / item.name, resume=config.resume)
        sizes.append(len(samples))
    return sizes


def _part(
    progress: Progress | None, item: DataSet, before: int, size: int, total: int
) -> Callable[[int, int], None] | None:
    """A progress of one set, told as a part of all."""
    if progress is None:
        return None
    return lambda done, of: progress(before + size * done // max(of, 1), total, item.name)
