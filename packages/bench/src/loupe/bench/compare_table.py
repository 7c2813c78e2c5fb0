"""The comparison of two runs as cells of text, and in sentences what has to be known to read them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loupe.bench.pages import difference
from loupe.bench.paired_runs import NEITHER, STATISTICS, A, B
from loupe.bench.words import LOOK_WORDS, MEAN_WORDS
from loupe.core import numbers

WORDS = {"srcc": "SRCC", "plcc": "PLCC", "class_accuracy": "class", "mae": "error"}
HEAD = ("a less b", "n", *WORDS.values())
_SHOWN = 300
"""Characters of a setting that are printed."""


def looks_of(found: Mapping[str, Any]) -> list[str]:
    """Every look of any data set, in the order in which they come."""
    return list(dict.fromkeys(look for data in found["sets"].values() for look in data["looks"]))


def cells(found: Mapping[str, Any], look: str) -> list[Sequence[str]]:
    """Rows under `HEAD`: every data set under a look, then the means over the sets."""
    rows: list[Sequence[str]] = []
    for name, data in found["sets"].items():
        if row := data["looks"].get(look):
            figures = [difference(row["differences"][key]) for key in STATISTICS]
            rows.append((name or "images", numbers.count(row["n"]), *figures))
    means = found["means"].get(look, {})
    for kind, words in MEAN_WORDS.items() if means else ():
        figures = [difference(means.get(key, {}).get(kind, {}).get("difference")) for key in STATISTICS]
        rows.append((words, "", *figures))
    return rows


def verdicts(found: Mapping[str, Any], look: str) -> Iterator[str]:
    """What the intervals of each row show, a line each."""
    for name, data in found["sets"].items():
        if row := data["looks"].get(look):
            yield f"{name or 'images'}: {shows(row['better'])}"
    means = found["means"].get(look, {})
    for kind, words in MEAN_WORDS.items() if means else ():
        yield f"{words}: {shows({key: means[key][kind]['better'] for key in means})}"


def shows(better: Mapping[str, str]) -> str:
    """`a better: SRCC, error`; what an interval does not show is not said."""
    won = {run: [WORDS[key] for key in STATISTICS if better.get(key) == run] for run in (A, B)}
    parts = [f"{run} better: {', '.join(names)}" for run, names in won.items() if names]
    return "; ".join(parts) or ("no difference shown" if NEITHER in better.values() else "no interval is known")


def notes(found: Mapping[str, Any]) -> Iterator[str]:
    """What was not shared, what else differs between the runs, and how many answers could not be used."""
    for name, data in found["sets"].items():
        where = f"{name}, " if name else ""
        for look, row in data["looks"].items():
            yield from _look_notes(row, where=f"{where}{LOOK_WORDS.get(look, look)}")
        for run in (A, B):
            if looks := data["looks_not_shared"][run]:
                yield f"{where}looks in {run} alone: {', '.join(looks)}"
    for run in (A, B):
        if sets := found["sets_not_shared"][run]:
            yield f"data sets in {run} alone: {', '.join(sets)}"
    for key, (one, two) in found["protocol_differs"].items():
        yield f"{key.replace('_', ' ')} differs: {str(one)[:_SHOWN]} in a, {str(two)[:_SHOWN]} in b"


def _look_notes(row: Mapping[str, Any], *, where: str) -> Iterator[str]:
    failed = {run: numbers.count(row["unusable"][run]) for run in (A, B)}
    if any(row["unusable"].values()):
        yield f"{where}: {failed[A]} answers of a and {failed[B]} of b are unusable: mid-scale, and wrong"
    for run in (A, B):
        alone = row["not_shared"][run]
        if alone["count"]:
            names = ", ".join(alone["first"])
            yield f"{where}: {numbers.count(alone['count'])} images are in {run} alone, such as {names}"
