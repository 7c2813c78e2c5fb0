"""From the folders of several evaluations to one table: a row a data set, the means over them, and one protocol.

Figures are raw. Failures count at mid-scale in `all` and are left out in `usable`; what was fitted to the test labels
stands apart, under its own name. Leaves out how the table is drawn.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loupe.bench.correlate import weighted_statistic
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.sets.means import Part, means
from loupe.bench.summary import FILE as SUMMARY
from loupe.bench.verdicts import expected_rating, verdict_of
from loupe.core.errors import DataError
from loupe.core.files import read_json

STATISTICS = ("plcc", "srcc", "krcc", "rmse")
KINDS = ("all", "usable")
FITS = ("logistic", "isotonic")
OWN = ("data", "split", "data_sha256")
"""What the protocol says of one set alone."""


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """One data set as the folder of its evaluation tells it."""

    name: str
    summary: dict[str, Any]
    predictions: list[Prediction]


def read_set(folder: Path, name: str) -> JudgedSet:
    """Raises MissingFileError, DataError."""
    return JudgedSet(name, read_json(folder / SUMMARY), read_predictions(folder / PREDICTIONS))


def table_of(sets: Sequence[JudgedSet], *, n_boot: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Content of table.json: `looks[look]` with the figures of every set, the means over all and, where images were
    judged several times, what that is worth; `sets` with where each came from, and `protocol`.

    Raises DataError where the sets were not judged in one way.
    """
    looks = list(sets[0].summary["looks"])
    if odd := [item.name for item in sets if list(item.summary["looks"]) != looks]:
        raise DataError(f"{odd[0]} was judged under other looks than {sets[0].name}; evaluate both in a new folder")
    return {
        "looks": {look: _look(sets, look, n_boot=n_boot, seed=seed) for look in looks},
        "sets": {item.name: {key: item.summary["protocol"][key] for key in OWN} for item in sets},
        "protocol": _protocol(sets),
    }


def _look(sets: Sequence[JudgedSet], look: str, *, n_boot: int, seed: int) -> dict[str, Any]:
    rows = {item.name: _row(item.summary["looks"][look]["all"]) for item in sets}
    failed = any(row["unusable"] for row in rows.values())
    found = {
        kind: {name: asdict(means(_parts(sets, look, kind, name), n_boot=n_boot, seed=seed)) for name in STATISTICS}
        for kind in (KINDS if failed else KINDS[:1])
    }
    sampled = {item.name: item.summary["sampled"][look] for item in sets if look in item.summary.get("sampled", {})}
    # Without failures both kinds are one, and drawing twice would double the time.
    return {"sets": rows, "means": {"usable": found["all"], **found}, "sampled": sampled}


def _row(scores: dict[str, Any]) -> dict[str, Any]:
    """Figures of one set under one look, out of its summary."""
    counts = {key: scores[key] for key in ("n", "unusable", "unusable_share")}
    found = {kind: scores["expected"][kind] for kind in KINDS}
    raw = {kind: {key: figures[key] for key in ("n", *STATISTICS)} for kind, figures in found.items()}
    fitted = {fit: found["all"][fit] for fit in FITS if found["all"].get(fit)}
    return {**counts, **raw, "fitted_on_test_labels": fitted}


def _parts(sets: Sequence[JudgedSet], look: str, kind: str, statistic: str) -> list[Part]:
    return [_part(item, look, kind, statistic) for item in sets]


def _part(item: JudgedSet, look: str, kind: str, statistic: str) -> Part:
    rated = [row for row in judged(item.predictions, look) if kind == "all" or verdict_of(row.episode) is not None]
    ratings, labels = [expected_rating(verdict_of(row.episode)) for row in rated], [row.sample.rating for row in rated]
    return Part(item.name, weighted_statistic(statistic, ratings, labels), [row.group for row in rated])


def judged(predictions: Sequence[Prediction], look: str) -> list[Prediction]:
    """Those under one look whose image somebody rated."""
    return [row for row in predictions if row.look == look and row.sample.rating == row.sample.rating]


def _protocol(sets: Sequence[JudgedSet]) -> dict[str, Any]:
    """What holds for every set. Raises DataError where they differ."""
    first = {key: value for key, value in sets[0].summary["protocol"].items() if key not in OWN}
    for item in sets[1:]:
        other = {key: value for key, value in item.summary["protocol"].items() if key not in OWN}
        if differing := [key for key in first if first[key] != other.get(key)]:
            raise DataError(
                f"{item.name} was judged with another {differing[0]} than {sets[0].name}; evaluate both in a new folder"
            )
    return first
