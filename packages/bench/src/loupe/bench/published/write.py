"""Published results with own runs beside them, as a Markdown or an HTML page: `loupe report --published`."""

from collections.abc import Sequence
from pathlib import Path

from loupe.bench.pages import render_page
from loupe.bench.published.cells import notes_of, own_cells, table_cells
from loupe.bench.published.markdown import OWN_HEAD, PROTOCOL, SHOWN, is_shown, page
from loupe.bench.published.own import OwnRun, PublishedConfig, own_runs
from loupe.bench.published.tables import published_tables
from loupe.core.errors import ConfigError
from loupe.core.files import check_target, write_text_atomic

KINDS = (".md", ".html")


def published_page(config: PublishedConfig, *, kind: str = ".md") -> str:
    """The page as text: Markdown, or HTML. Raises MissingFileError, and ConfigError for a run without a place in it."""
    tables, runs = published_tables(), own_runs(config.evaluations)
    if kind != ".html":
        return page(tables, runs)
    return render_page(
        "published.html.jinja",
        tables=[
            (table, table_cells(table, runs), notes_of(table), own_cells(runs, table)) for table in tables.values()
        ],
        protocol=PROTOCOL,
        own_head=OWN_HEAD,
        runs=runs,
        shown=SHOWN,
    )


def write_published(config: PublishedConfig, path: Path) -> None:
    """Write the page to a file that ends in .md or .html. Raises as `published_page`, and ConfigError for the name."""
    if path.suffix not in KINDS:
        raise ConfigError(f"got {path}; wanted a file that ends in {' or '.join(KINDS)}")
    check_target(path)
    write_text_atomic(path, published_page(config, kind=path.suffix))


def homeless(config: PublishedConfig) -> list[tuple[str, Sequence[str]]]:
    """Own runs with data sets that no table has, and their names."""
    tables = published_tables()

    def strange(run: OwnRun) -> list[str]:
        return [item.name for item in run.sets if not is_shown(tables, item.known)]

    return [(run.name, names) for run in own_runs(config.evaluations) if (names := strange(run))]
