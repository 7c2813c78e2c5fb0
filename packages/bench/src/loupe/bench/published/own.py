"""A user's own runs as rows beside published ones: raw figures of an evaluation, by data set, with n and intervals.

A run stands in a table by the names of its data sets alone. It was made under its own protocol, so it is marked as own
wherever it stands, and its protocol is printed below; it is never averaged with anybody's numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import read_predictions
from loupe.bench.published.names import data_set
from loupe.bench.published.tables import CORRELATIONS, PublishedTable
from loupe.bench.sets.names import TABLE
from loupe.bench.summary import BASELINE
from loupe.bench.summary import FILE as SUMMARY
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.files import read_json

Bounds = list[float | None]
"""A figure and the bounds of its interval."""


@dataclass
class PublishedConfig:
    """Settings of `loupe report --published`."""

    evaluations: dict[str, str] = field(default_factory=dict[str, str])
    """Name of a row to the folder of an own evaluation, or of one over several data sets."""


@dataclass(frozen=True, slots=True)
class OwnSet:
    """One data set of an own run. `known` is its name in the tables, None where none has it; figures are raw, failures
    at mid-scale."""

    name: str
    known: str | None
    n: int
    unusable: int
    plcc: Bounds
    srcc: Bounds


@dataclass(frozen=True, slots=True)
class OwnRun:
    """An own run as its folder tells it: the look that counts, its data sets, and its protocol."""

    name: str
    look: str
    sets: tuple[OwnSet, ...]
    protocol: Mapping[str, Any]

    def of(self, column: str) -> OwnSet | None:
        """Its figures on a data set of a table, None where it has none."""
        return next((item for item in self.sets if item.known == column), None)

    def fits(self, table: PublishedTable) -> bool:
        """Whether the table has a place for own runs, and a column for any of its data sets."""
        return (
            table.kind == CORRELATIONS and table.takes_own_runs and any(self.of(column) for column in table.data_sets)
        )


def own_runs(evaluations: Mapping[str, str]) -> list[OwnRun]:
    """Raises MissingFileError for a folder without a run, ConfigError for one without ratings or with two sets that are
    one data set."""
    return [_own(name, Path(folder)) for name, folder in evaluations.items()]


def _own(name: str, folder: Path) -> OwnRun:
    if (folder / TABLE).is_file():
        table = read_json(folder / TABLE)
        look = _look(table["looks"])
        sets = tuple(_set(key, row) for key, row in table["looks"][look]["sets"].items())
        run = OwnRun(name, look, sets, table["protocol"])
    elif (folder / SUMMARY).is_file():
        run = _single(name, folder)
    else:
        raise MissingFileError(f"{folder} holds no {SUMMARY} and no {TABLE}; name the out folder of loupe evaluate")
    known = [item.known for item in run.sets if item.known is not None]
    if twice := next((item for item in known if known.count(item) > 1), None):
        raise ConfigError(f"{folder} has two sets that are {twice}; name one folder of them alone")
    return run


def _single(name: str, folder: Path) -> OwnRun:
    summary = read_json(folder / SUMMARY)
    looks: dict[str, Any] = summary.get("looks") or {}
    if not looks or not looks[_look(looks)]["all"].get("expected"):
        raise ConfigError(f"{folder} has no ratings to compare; name an evaluation that asks for ratings")
    look = _look(looks)
    scores = looks[look]["all"]
    said = list(dict.fromkeys(item.sample.dataset for item in read_predictions(folder / PREDICTIONS)))
    if len(said) > 1:
        raise ConfigError(f"{folder} mixes {', '.join(said)[:120]}; evaluate them as several sets, each on its own")
    row = {**scores, "all": scores["expected"]["all"]}
    return OwnRun(name, look, (_set(said[0] if said else folder.name, row),), summary["protocol"])


def _look(looks: Mapping[str, Any]) -> str:
    """The decided look, or the first one."""
    return BASELINE if BASELINE in looks else next(iter(looks))


def _set(name: str, row: Mapping[str, Any]) -> OwnSet:
    figures = row["all"]
    return OwnSet(name, data_set(name), figures["n"], row["unusable"], list(figures["plcc"]), list(figures["srcc"]))
