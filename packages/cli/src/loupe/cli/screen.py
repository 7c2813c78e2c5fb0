"""What the verbs put on the screen: tables, a progress bar for what takes a while, and lines on stderr.

Results go to stdout, everything else to stderr, so that output can be piped. Numbers are formatted by
`loupe.core.numbers`; text that a model or a file name brings is never read as markup or as a control code.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loupe.core import numbers
from loupe.core.printable import printable

if TYPE_CHECKING:
    from loupe.bench.assess import Judgement

PATIENCE = 2.0
"""Seconds of work that go by without a progress bar."""
LOOKS = ("decided", "never", "random", "truth")
"""Looks that have a column in every recipe; the fast mode has one where it was played."""

Step = Callable[..., None]
"""Called with what is done, what there is in all and, if that is worth a word, what is at work now."""


def out() -> Console:
    """Console for results."""
    return Console(highlight=False)


def complain(line: str, *, label: str = "loupe") -> None:
    """One line on stderr, never wrapped."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(printable(f"{label}: {line}")))


def remark(line: str) -> None:
    """One dim line on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(printable(line), style="dim"))


@contextmanager
def progress_bar(what: str) -> Generator[Step]:
    """A bar on stderr that appears where the work inside has taken more than two seconds, and goes when all is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task, began, shown = bar.add_task(what, total=None), time.monotonic(), False

    def step(done: int, total: int, now: str = "") -> None:
        nonlocal shown
        bar.update(task, completed=done, total=total, description=f"{what}: {now}" if now else what)
        if not shown and done < total and time.monotonic() - began > PATIENCE:
            bar.start()
            shown = True
        elif shown and done >= total:
            bar.stop()

    try:
        yield step
    finally:
        if shown:
            bar.stop()


@contextmanager
def spinner(what: str) -> Generator[None]:
    """A turning mark on stderr for work whose end nobody can tell; gone when it is done, and nothing in a file."""
    with Console(stderr=True).status(Text(what)):
        yield


def judgement_table(judgements: Sequence["Judgement"]) -> Table:
    """The verdicts of `assess` on pictures that have one; a column for what nobody was asked is left out."""
    judged = [item for item in judgements if item.problem is None]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    said = any(item.choice or item.description for item in judged)
    held = next((item.holds for item in judged if item.holds is not None), None)
    names = ["image", "answer"] if said else ["image", "rating", "distortion", "severity", "looked at"]
    if held is not None and not said:
        names.insert(2, f"{numbers.percent(held, 0)} interval")
    for name in names:
        table.add_column(name, overflow="fold", justify="left")
    for item in judged:
        cells = _said(item) if said else _rated(item)
        if held is not None and not said:
            ends = (numbers.DASH,) if item.interval is None else map(numbers.rating, item.interval)
            cells.insert(1, Text(" to ".join(ends)))
        table.add_row(Text(printable(item.image)), *cells)
    return table


def _said(item: "Judgement") -> list[Text]:
    return [Text(printable(item.choice or item.description or numbers.DASH), style="bold")]


def _rated(item: "Judgement") -> list[Text]:
    spread = "" if item.spread is None else f" ± {numbers.rating(item.spread)}"
    return [
        Text(numbers.rating(item.rating) + spread + (" (first look)" if item.kept_earlier else ""), style="bold"),
        Text(printable(item.found)),
        Text(printable(item.severity or numbers.DASH)),
        Text("; ".join(_region(box) for box in item.looked_at) or "the overview"),
    ]


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Cells of text as they are; an interval has a line of its own, so that more columns fit."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for place, word in enumerate(head):
        table.add_column(Text(word), justify="right" if place else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell).replace(" [", "\n[", 1)) for cell in row))
    return table


def recipe_table(evaluations: Mapping[str, Mapping[str, Any]], *, subset: str = "all") -> Table:
    """A row an evaluation, a column a look, from the contents of their summary.json; `subset` is all, hard or easy."""
    from loupe.bench.words import LOOK_WORDS

    table = Table(title=Text(f"SRCC [95 % interval], class accuracy · unusable: {subset} images"), title_justify="left")
    fast = any("fast" in summary["looks"] for summary in evaluations.values())
    looks = (*LOOKS, *(("fast",) if fast else ()))
    for words in ("", *(LOOK_WORDS[look] for look in looks)):
        table.add_column(words)
    for name, summary in evaluations.items():
        table.add_row(Text(name), *(_cell(summary["looks"].get(look, {}).get(subset)) for look in looks))
    return table


def _cell(scores: Mapping[str, Any] | None) -> Text:
    if not scores:
        return Text(numbers.DASH)
    classes = numbers.percent(scores["recognition"]["class_accuracy"][0])
    unusable = numbers.percent(scores["unusable_share"])
    # The interval has a line of its own: four columns then fit a terminal of 80.
    rated = scores["expected"]
    srcc = numbers.interval(*rated["all"]["srcc"]).replace(" [", "\n[", 1) if rated else numbers.DASH
    return Text(f"{srcc}\n{classes} · {unusable}")


def _region(box: Sequence[float]) -> str:
    x1, y1, x2, y2 = (round(100 * side) for side in box)
    return f"x {x1}–{x2} %, y {y1}–{y2} %"
