"""A table as text cells, which the screen, a page and Markdown all print from."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextTable:
    """Cells that are ready to print; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown_table(table: TextTable, *, shown: Callable[[str], str] = str, right: bool = False) -> str:
    """The table in Markdown, without a newline at its end. `shown` makes a cell safe to print; `right` aligns all
    columns but the first one to the right."""
    rule = ["---", *("---:" if right else "---" for _ in table.head[1:])]
    head, *rows = ([shown(cell) for cell in cells] for cells in (table.head, *table.rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
