"""What an evaluation over several data sets is told: the settings of one evaluation, and a list of data folders."""

import difflib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from loupe.bench.evaluate import EvaluateConfig, base_config
from loupe.bench.sets.names import PAGE, TABLE
from loupe.core.errors import ConfigError

KEYS = ("name", "data", "split")


@dataclass
class SetsConfig(EvaluateConfig):
    """Settings of an evaluation over several data sets. Those of a single evaluation hold for each of them; `data` has
    no bearing, and `out` gets a folder a set."""

    sets: list[Any] | None = None
    """Data folders to judge with the same model, each a path, or a mapping with data and, where they differ from the
    folder's name and from `split`, name and split; null for a single evaluation."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data folder of the list, under the name that its results go by."""

    name: str
    data: str
    split: str


def data_sets(config: SetsConfig) -> list[DataSet]:
    """The list in its order. Raises ConfigError for entries that cannot be read, and names that clash or are no name
    of a folder."""
    if not config.sets:
        raise ConfigError("sets: got no data folders; wanted a list such as [data/koniq-10k, data/spaq]")
    if config.data != EvaluateConfig().data:
        raise ConfigError(f"got both sets and data={config.data}; add the folder to sets, or leave sets out")
    found = [_data_set(entry, split=config.split) for entry in config.sets]
    for item in found:
        if item.name in ("", ".", "..") or any(mark in item.name for mark in "/\\") or not item.name.isprintable():
            raise ConfigError(f"sets: {item.name!r} cannot name a folder; give the set a plain name")
        if item.name.casefold() in (TABLE, PAGE):
            raise ConfigError(f"sets: {item.name!r} is the name of a file of results; give the set another one")
    names = Counter(item.name.casefold() for item in found)
    if twice := [item.name for item in found if names[item.name.casefold()] > 1]:
        raise ConfigError(f"sets: the name {twice[0]!r} comes twice; give each set a name of its own with name:")
    return found


def settings_of(config: SetsConfig, item: DataSet) -> EvaluateConfig:
    """What `evaluate` is told about one of the sets: all of the settings, with its own data, split and out folder."""
    return replace(base_config(config), data=item.data, split=item.split, out=str(Path(config.out) / item.name))


def _data_set(entry: Any, *, split: str) -> DataSet:
    if isinstance(entry, str):
        return DataSet(Path(entry).name, entry, split)
    if not isinstance(entry, dict):
        raise ConfigError(f"sets: got {entry!r:.80}; wanted the path of a data folder, or name:, data: and split:")
    given = cast(dict[str, Any], entry)
    if strange := [key for key in given if key not in KEYS]:
        near = difflib.get_close_matches(str(strange[0]), KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"wanted {', '.join(KEYS)}"
        raise ConfigError(f"sets: unknown key {strange[0]}; {hint}")
    if not isinstance(given.get("data"), str):
        raise ConfigError(f"sets: {given!r:.80} names no folder; wanted data: with its path")
    name = given.get("name") or Path(given["data"]).name
    return DataSet(str(name), given["data"], str(given.get("split") or split))
