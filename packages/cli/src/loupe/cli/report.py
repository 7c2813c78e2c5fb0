"""`loupe report`: run folders in, one HTML page out; and published results with own runs beside them."""

from pathlib import Path
from typing import Annotated

import typer

from loupe.cli.options import ConfigFile, Overrides, words


def report(
    overrides: Overrides = None,
    config: ConfigFile = None,
    published: Annotated[
        bool, typer.Option("--published", help="Print the results of papers, with own evaluations beside them.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With --published: a .md or .html file instead.")
    ] = None,
) -> None:
    """Make one HTML page of evaluations and trainings; no model and no GPU is needed.

    Examples:

    loupe report --config configs/pocket/report.yaml

    loupe report evaluations.agent=runs/pocket/eval trainings.GRPO=runs/pocket/grpo out=runs/pocket/report

    loupe report --published evaluations.agent=runs/sets --output published.html
    """
    from loupe.cli.screen import out, recipe_table, remark
    from loupe.core.config import load_config
    from loupe.core.errors import ConfigError
    from loupe.core.files import read_json

    if published:
        _published(config, words(overrides), output)
        return
    if output is not None:
        raise ConfigError("--output goes with --published; name the folder of a report with out=")
    from loupe.bench.report import ReportConfig
    from loupe.bench.report import report as run

    settings = load_config(ReportConfig, config, words(overrides))
    page = run(settings, settings.out)
    out().print(recipe_table(read_json(page.with_suffix(".json"))["evaluations"]))
    remark(f"written to {page}")


def _published(config: Path | None, overrides: list[str], output: Path | None) -> None:
    from loupe.bench.published.own import PublishedConfig
    from loupe.bench.published.write import homeless, published_page, write_published
    from loupe.cli.screen import remark
    from loupe.core.config import load_config

    settings = load_config(PublishedConfig, config, overrides)
    if output is None:
        print(published_page(settings), end="")
    else:
        write_published(settings, output)
        remark(f"written to {output}")
    for name, sets in homeless(settings):
        remark(f"{name}: no table has {', '.join(sets)}")
