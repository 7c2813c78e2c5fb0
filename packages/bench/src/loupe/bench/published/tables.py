"""Published results as data: a YAML file a table of a paper, in `tables/`, with its source and its protocol.

The numbers are those of the papers, as they were printed. Averages are recomputed from the columns, and stand beside
the printed ones where the two differ by more than rounding can explain. How a number came about is as much a part of it
as its digits: what the model was trained on, on which images it was tested, whether anything was fitted to the labels,
how answers were drawn, and what became of those nobody could read. Where a paper does not say, the file says so.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from loupe.core.config import load_config
from loupe.core.errors import DataError

CORRELATIONS, DEGRADATION, COMPARISON, COST = "correlations", "degradation", "comparison", "cost"
KINDS = (CORRELATIONS, DEGRADATION, COMPARISON, COST)
ORDER = (
    "visualquality-r1-table-2",
    "q-insight-table-1",
    "zoom-iqa-table-1",
    "q-insight-tables-2-4",
    "q-insight-table-6",
    "visualquality-r1-table-3",
    "visualquality-r1-table-4",
    "visualquality-r1-table-5",
)
"""Tables by the name of their file, in the order in which they are shown."""
ROUNDING = 1.0
"""Units of the last digit by which a mean of rounded numbers can differ from the rounded mean: half from either."""


@dataclass
class PublishedRow:
    """What a paper prints for one method."""

    method: str = ""
    """Name of the method."""
    values: dict[str, list[float | None]] = field(default_factory=dict[str, list[float | None]])
    """Numbers by statistic, one a column; null where the paper has none."""
    average: dict[str, float] = field(default_factory=dict[str, float])
    """Printed average by statistic; empty where none is printed."""
    trained_on: str = ""
    """What this method was trained on, where that is not what the table says."""
    remark: str = ""
    """What has to be known of this row alone."""

    def mean(self, statistic: str) -> float | None:
        """Mean of the columns that have a number; None where none has."""
        found = [value for value in self.values.get(statistic, []) if value is not None]
        return sum(found) / len(found) if found else None


@dataclass
class PublishedTable:
    """A table of a paper."""

    title: str = ""
    """What the table shows, in a few words."""
    source: str = ""
    """The paper, and how it was read where that was not at first hand."""
    table: str = ""
    """Number of the table in the paper."""
    kind: str = CORRELATIONS
    """correlations, degradation, comparison or cost."""
    trained_on: str = ""
    """Training set of the methods that do not say otherwise."""
    data: str = ""
    """Images that were judged."""
    fit: str = ""
    """Whether predictions were fitted to the test labels."""
    sampling: str = ""
    """How answers were drawn."""
    bad_outputs: str = ""
    """What became of answers that could not be read."""
    columns: list[str] = field(default_factory=list[str])
    """Heads of the columns."""
    data_sets: list[str] = field(default_factory=list[str])
    """Data set of each column by the name of its recipe; empty where columns are no data sets."""
    images: list[str] = field(default_factory=list[str])
    """How many images of each were judged."""
    places: list[int] = field(default_factory=list[int])
    """Decimals of each column; 3 where left out."""
    averaged: bool = True
    """Whether a mean over the columns says anything."""
    takes_own_runs: bool = True
    """Whether own runs have a place in it; they have none in an ablation."""
    remarks: list[str] = field(default_factory=list[str])
    """What has to be known of the table, a sentence or two each."""
    rows: list[PublishedRow] = field(default_factory=list[PublishedRow])
    """Methods in the order of the paper."""

    @property
    def statistics(self) -> list[str]:
        """Names of the numbers in a cell, in the order in which they stand there."""
        return list(dict.fromkeys(name for row in self.rows for name in row.values))

    def decimals(self, column: int) -> int:
        """Decimals of a column."""
        return self.places[column] if self.places else 3

    def misprinted(self, row: PublishedRow) -> dict[str, float]:
        """Recomputed means by statistic, where rounding cannot explain what is printed."""
        unit = 10.0 ** -self.decimals(0)
        found = {name: row.mean(name) for name in row.average}
        return {
            name: mean
            for name, mean in found.items()
            if mean is not None and abs(mean - row.average[name]) > ROUNDING * unit * (1 + 1e-9)
        }


@cache
def published_tables() -> dict[str, PublishedTable]:
    """All tables by the name of their file, in `ORDER`; read once. Raises DataError for one that contradicts itself."""
    folder = Path(str(files("loupe.bench.published") / "tables"))
    return {name: _checked(load_config(PublishedTable, folder / f"{name}.yaml"), name) for name in ORDER}


def _checked(table: PublishedTable, name: str) -> PublishedTable:
    width = len(table.columns)
    if table.kind not in KINDS:
        raise DataError(f"{name}: got the kind {table.kind!r}; wanted one of {', '.join(KINDS)}")
    lists = {"data_sets": table.data_sets, "images": table.images, "places": table.places}
    if wrong := [key for key, found in lists.items() if found and len(found) != width]:
        raise DataError(f"{name}: {wrong[0]} has {len(lists[wrong[0]])} entries for {width} columns")
    for row in table.rows:
        if any(len(values) != width for values in row.values.values()):
            raise DataError(f"{name}, {row.method}: wanted {width} numbers of each statistic")
    return table
