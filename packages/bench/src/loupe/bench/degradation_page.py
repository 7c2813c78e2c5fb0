"""The table of degradation as text: for the screen, and in the layout of Q-Insight (arXiv 2503.22679, table 2), so that
it can stand beside published numbers.

Reads the table as summary.json holds it, null for what is not known. The page holds what the paper does not print: how
many images stand behind a figure, both averages, and which class and severity were taken for which.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loupe.bench.pages import render_page
from loupe.bench.text_table import TextTable, markdown_table
from loupe.bench.verdicts import CLEAN
from loupe.core import numbers
from loupe.core.files import write_text_atomic
from loupe.core.printable import printable
from loupe.zoom.look import Look

PAPER_COLUMNS = {"noise": "Noise", "blur": "Blur", "compression": "JPEG", "darken": "Darken", CLEAN: "Null"}
"""Classes of the paper's table in its order, by Loupe's names; classes beyond them follow before Null."""
PAGE, MARKDOWN = "degradation.html", "degradation.md"
Table = Mapping[str, Any]
"""A `loupe.bench.degradation_table.DegradationTable` as summary.json holds it."""


def main_table(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The table in the contents of summary.json: that of the decided look, or of the first; None where it has none."""
    looks: Mapping[str, Any] = summary["looks"]
    main = looks.get(Look.DECIDED.value) or next(iter(looks.values()), None)
    return None if main is None else main.get("degradation")


def write_pages(out: Path, summary: Mapping[str, Any], *, name: str) -> list[str]:
    """Write degradation.html and degradation.md into the folder of an evaluation, of the agent `name`; returns the
    names of the files, none where the summary has no table."""
    table = main_table(summary)
    if table is None:
        return []
    page = render_page(
        "degradation.html.jinja",
        name=name,
        table=table,
        screen=screen_table(table),
        paper=paper_table(table, name=name),
        notes=notes(table),
        protocol=summary["protocol"],
    )
    write_text_atomic(out / PAGE, page)
    lines = "\n".join(f"- {note}" for note in notes(table))
    write_text_atomic(out / MARKDOWN, f"{markdown(paper_table(table, name=name))}\n{lines}\n")
    return [PAGE, MARKDOWN]


def screen_table(table: Table) -> TextTable:
    """A line a true class, then the averages."""
    classes: Mapping[str, Any] = table["classes"]
    rows = [_screen_row(name, found["n"], found) for name, found in classes.items()]
    for kind, words in (("macro", "mean over classes (macro)"), ("micro", "all images (micro)")):
        averages = {key: table[key][kind] for key in ("class_accuracy", "severity_accuracy")}
        rows.append(_screen_row(words, table["n"], averages))
    return TextTable(("true class", "n", "class right", "class and level right"), tuple(rows))


def paper_table(table: Table, *, name: str) -> TextTable:
    """The two rows of Q-Insight's table 2 for the agent `name`; its average is the macro one, the micro one is beside.

    Classes that the paper has not stand before Null under their own names.
    """
    classes: Mapping[str, Any] = table["classes"]
    extra = [word for word in classes if word not in PAPER_COLUMNS]
    columns = [*(word for word in PAPER_COLUMNS if word != CLEAN), *extra, CLEAN]
    words = (PAPER_COLUMNS.get(word, word) for word in columns)
    rows = [
        (name, metric, *(_cell(classes, word, key) for word in columns), *_averages(table[key]))
        for metric, key in (("Deg.", "class_accuracy"), ("Lev.", "severity_accuracy"))
    ]
    return TextTable(("method", "metric", *words, "average (macro)", "average (micro)"), tuple(rows))


def notes(table: Table) -> list[str]:
    """What has to be known to read the table, a sentence or two each."""
    classes: Mapping[str, Any] = table["classes"]
    said = [
        f"{numbers.count(table['unusable'])} of {numbers.count(table['n'])} answers were unusable, counted as wrong."
    ]
    if 2 * table["unusable"] > table["n"]:
        said.append("More than half were unusable: does the agent know this protocol?")
    if CLEAN in classes and table["severity_accuracy_with_clean"]["micro"][0] is not None:
        both = table["severity_accuracy_with_clean"]
        said.append(
            "The averages of class and level leave out clean images, as Q-Insight does; with them macro "
            f"{numbers.interval(*both['macro'])}, micro {numbers.interval(*both['micro'])}."
        )
    if set(classes) != set(PAPER_COLUMNS):
        said.append("The averages are over other classes than the five of Q-Insight's table: compare class by class.")
    return said


def markdown(table: TextTable) -> str:
    """A table in Markdown."""
    return markdown_table(table, shown=lambda cell: printable(cell).replace("|", "&#124;")) + "\n"


def _screen_row(name: str, n: int, found: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (numbers.interval(*found[key]) for key in ("class_accuracy", "severity_accuracy"))
    return (name, numbers.count(n), *figures)


def _cell(classes: Mapping[str, Any], word: str, key: str) -> str:
    """One class; the level of clean images is no figure of the paper's."""
    skipped = word not in classes or (word == CLEAN and key == "severity_accuracy")
    return numbers.DASH if skipped else numbers.fixed(classes[word][key][0], 4)


def _averages(averages: Mapping[str, Any]) -> tuple[str, str]:
    macro, micro = averages["macro"], averages["micro"]
    return numbers.interval(*macro, places=4), numbers.interval(*micro, places=4)
