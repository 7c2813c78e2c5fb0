"""Published results and own runs as a Markdown page: docs/published.md is what it gives without own runs."""

from collections.abc import Iterator, Mapping, Sequence

from loupe.bench.published.cells import notes_of, own_cells, table_cells
from loupe.bench.published.own import OwnRun
from loupe.bench.published.tables import PublishedTable

HEADING = """\
# Published results

The numbers of the papers that Loupe builds on, as they were printed, with what is known of how each came about. This
page is made of the data files in `loupe.bench.published` by `loupe report --published`; a test keeps the two equal.

Numbers of one table can be compared with each other, as far as the table says that its rows were made alike. Numbers
of two tables cannot, where their lines below differ: a fit on the test labels alone adds as much as most claimed gains
(see [evaluation.md](evaluation.md)). Averages are printed as in the paper and recomputed as plain means of the columns;
what rounding cannot explain is marked. Numbers in brackets behind a data set are the images that were judged.

To put a run of your own beside them, by the names of its data sets:

```
loupe report --published evaluations.agent=runs/sets
```

It is marked as own, stands with its n, its intervals and its protocol, and is raw: nothing of it is fitted to the test
labels, and unusable answers count at mid-scale.
"""
OWN_HEAD = ("", "data set", "n", "unusable", "look", "PLCC", "SRCC")
PROTOCOL = (
    ("trained on", "trained_on"),
    ("tested on", "data"),
    ("fit", "fit"),
    ("sampling", "sampling"),
    ("bad outputs", "bad_outputs"),
)
"""Lines of a table's protocol: the words, and the field."""
SHOWN = ("model", "protocol", "fingerprint", "decoding", "pixels", "bootstrap", "unusable")
"""What is printed of the protocol of an own run."""


def page(tables: Mapping[str, PublishedTable], runs: Sequence[OwnRun] = ()) -> str:
    """The whole page, with the own runs in every table that has one of their data sets."""
    parts = [HEADING, *("\n".join(_section(table, runs)) for table in tables.values())]
    if runs:
        parts.append("\n".join(_own_section(tables, runs)))
    return "\n".join(parts)


def _section(table: PublishedTable, runs: Sequence[OwnRun]) -> Iterator[str]:
    cells = table_cells(table, runs)
    yield from (f"## {table.title}", "", f"{table.source}, {table.table}.", "")
    yield from (f"- {words}: {_sentence(getattr(table, name))}" for words, name in PROTOCOL)
    yield ""
    yield from ((f"Cells: {cells.holds}.", "") if cells.holds else ())
    yield from _table(cells.head, cells.rows)
    yield ""
    for mark, method, words in notes_of(table):
        yield f"- [{mark}] {_escaped(method)}: {words}"
    yield from (f"- {text}" for text in table.remarks)
    yield ""
    if own := own_cells(runs, table):
        yield from ("Own runs in this table, raw, with 95 % intervals; their protocols are at the end of the page:", "")
        yield from (*_table(OWN_HEAD, own), "")


def _own_section(tables: Mapping[str, PublishedTable], runs: Sequence[OwnRun]) -> Iterator[str]:
    yield from ("## Own runs", "")
    for run in runs:
        yield f"### own: {_escaped(run.name)}"
        yield ""
        yield from (f"- {key}: {_escaped(str(run.protocol[key]))}" for key in SHOWN if key in run.protocol)
        if strange := [item.name for item in run.sets if not is_shown(tables, item.known)]:
            yield f"- in no table: {_escaped(', '.join(strange))}"
        yield ""


def is_shown(tables: Mapping[str, PublishedTable], known: str | None) -> bool:
    """Whether some table has a place for own figures on a data set."""
    return any(known in table.data_sets for table in tables.values() if table.takes_own_runs)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for line in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(_escaped(cell) for cell in line)} |"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _escaped(text: str) -> str:
    """A name as plain text inside of a Markdown table: no tags, no end of a column, no line of its own."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
