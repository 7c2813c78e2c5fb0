"""A published table, and own runs in it, as cells of text."""

from collections.abc import Sequence
from dataclasses import dataclass

from loupe.bench.published.own import OwnRun
from loupe.bench.published.tables import COST, PublishedRow, PublishedTable
from loupe.bench.summary import BASELINE
from loupe.bench.words import LOOK_WORDS
from loupe.core import numbers

STATISTIC_WORDS = {"plcc": "PLCC", "srcc": "SRCC", "class": "class accuracy", "level": "accuracy of class and level"}
OWN = "own"


@dataclass(frozen=True, slots=True)
class Cells:
    """A table that is ready to print: head, rows, whether each row is an own run, and what a cell holds."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    own: tuple[bool, ...]
    holds: str


def table_cells(table: PublishedTable, runs: Sequence[OwnRun]) -> Cells:
    """The rows of the paper, then the own runs that have a data set of it; marks lead to `notes_of`."""
    fitting = [run for run in runs if run.fits(table)]
    marks = _marks(table)
    average = ("average as printed", "recomputed") if table.averaged else ()
    head = ("", *_heads(table), *average)
    published = [_row(table, row, marks.get(place, "")) for place, row in enumerate(table.rows)]
    own = [_own_row(table, run) for run in fitting]
    words = " / ".join(STATISTIC_WORDS[name] for name in table.statistics if name in STATISTIC_WORDS)
    return Cells(head, (*published, *own), (*(False for _ in published), *(True for _ in own)), words)


def notes_of(table: PublishedTable) -> list[tuple[str, str, str]]:
    """(mark, method, words) of every row that has something to say."""
    marks = _marks(table)
    return [(marks[place], row.method, _words(row)) for place, row in enumerate(table.rows) if place in marks]


def own_cells(runs: Sequence[OwnRun], table: PublishedTable) -> list[tuple[str, ...]]:
    """A row a data set of an own run in the table: name, data set, images, unusable, look, PLCC and SRCC."""
    return [
        (
            f"{OWN}: {run.name}",
            table.columns[place],
            numbers.count(found.n),
            numbers.count(found.unusable),
            LOOK_WORDS.get(run.look, run.look),
            numbers.interval(*found.plcc),
            numbers.interval(*found.srcc),
        )
        for run in runs
        if run.fits(table)
        for place, column in enumerate(table.data_sets)
        if (found := run.of(column))
    ]


def _heads(table: PublishedTable) -> list[str]:
    sizes = table.images or [""] * len(table.columns)
    return [f"{name} ({size})" if size else name for name, size in zip(table.columns, sizes, strict=True)]


def _marks(table: PublishedTable) -> dict[int, str]:
    """A number for each row that has a remark or another training set."""
    told = [place for place, row in enumerate(table.rows) if _words(row)]
    return {place: str(number) for number, place in enumerate(told, start=1)}


def _words(row: PublishedRow) -> str:
    trained = f"Trained on: {row.trained_on.rstrip('.')}." if row.trained_on else ""
    return " ".join(part for part in (trained, row.remark) if part)


def _row(table: PublishedTable, row: PublishedRow, mark: str) -> tuple[str, ...]:
    columns = range(len(table.columns))
    cells = [
        _cell([row.values[name][column] for name in table.statistics], table.decimals(column)) for column in columns
    ]
    name = f"{row.method} [{mark}]" if mark else row.method
    if table.kind == COST:
        # 8.20 billion parameters are not 8200.00 million: a number of mixed sizes has the digits that it was given.
        cells = [cell.rstrip("0").rstrip(".") for cell in cells]
    if not table.averaged:
        return (name, *cells)
    printed = _cell([row.average.get(statistic) for statistic in table.statistics], table.decimals(0))
    again = _cell([row.mean(statistic) for statistic in table.statistics], table.decimals(0))
    wrong = ", ".join(STATISTIC_WORDS.get(name, name) for name in table.misprinted(row))
    return (name, *cells, printed, f"{again} ({wrong} differs)" if wrong else again)


def _own_row(table: PublishedTable, run: OwnRun) -> tuple[str, ...]:
    """An own run has no printed average, and a mean of its own alone where it has every column."""
    found = [run.of(column) for column in table.data_sets]
    figures = {name: [None if item is None else getattr(item, name)[0] for item in found] for name in ("plcc", "srcc")}
    names = [name for name in table.statistics if name in figures]
    cells = [_cell([figures[name][column] for name in names], 3) for column in range(len(found))]
    whole = all(item is not None for item in found)
    row = PublishedRow(values={name: figures[name] for name in names})
    mean = _cell([row.mean(name) for name in names], 3) if whole else numbers.DASH
    average = (numbers.DASH, mean) if table.averaged else ()
    return (_called(run), *cells, *average)


def _called(run: OwnRun) -> str:
    """Its mark and its name, and how it judged where that is not what a run is judged by."""
    look = "" if run.look == BASELINE else f" ({LOOK_WORDS.get(run.look, run.look)})"
    return f"{OWN}: {run.name}{look}"


def _cell(values: Sequence[float | None], places: int) -> str:
    """`.933/.916`; a dash where there is no number at all."""
    if all(value is None for value in values):
        return numbers.DASH
    return "/".join(numbers.fixed(value, places) for value in values)
