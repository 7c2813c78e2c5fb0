"""`loupe data audit`: what makes labels or splits of a data folder worthless, found before a model sees them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loupe.cli.options import ConfigFile, Overrides, words

if TYPE_CHECKING:
    from rich.table import Table

_LOOKS = {"fail": "bold red", "warn": "yellow", "ok": "green", "skipped": "dim"}


def audit(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="Data folder, as `loupe data build` or `synth` writes it.")
    ],
    overrides: Overrides = None,
    config: ConfigFile = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
) -> None:
    """Check a data folder: direction and scale of its labels, duplicates, leaks between splits, broken images.

    Writes audit.json and audit.html into DATA/audit. Exit code 0: nothing failed; 1: something did; 2: no data folder.
    What is known of an image is kept, so that a second audit is quick and an interrupted one goes on.

    Examples:

    loupe data audit data/koniq-10k

    loupe data audit data/pocket --strict

    loupe data audit data/kadid-10k out=runs/audit distance=4 workers=2
    """
    from loupe.bench.data_audit_page import write_audit_page
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core.config import load_config
    from loupe.data.audit.config import DataAuditConfig
    from loupe.data.audit.run import audit as run
    from loupe.data.audit.run import read_audit

    # Given as a plain word, so that a folder with an `=` or a `$` in its name is a folder.
    settings = load_config(DataAuditConfig, config, words(overrides))
    settings.data = data if Path(data).exists() else data.removeprefix("data=")
    with progress_bar("images") as step:
        result = run(settings, progress=step)
    page = write_audit_page(result)
    made = read_audit(result)
    out().print(_table(made["findings"]))
    remark(f"written to {Path(result).parent}: {result.name}, {page.name}")
    if made["status"] == "fail" or (strict and made["status"] == "warn"):
        raise typer.Exit(1)


def _table(findings: list[dict[str, Any]]) -> "Table":
    """A row a check; what failed or warns has its advice and a few examples beneath."""
    from rich.table import Table
    from rich.text import Text

    from loupe.core.printable import printable

    several = len({item["dataset"] for item in findings if item["dataset"]}) > 1
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "check", "found"):
        table.add_column(head, overflow="fold", no_wrap=head == "")
    for item in findings:
        name = f"{item['name']} ({item['dataset']})" if several and item["dataset"] else item["name"]
        found = Text(printable(item["found"]))
        if item["status"] in ("warn", "fail"):
            for line in (*item["examples"][:3], f"to do: {item['advice']}"):
                found.append(f"\n{printable(line)}", style="dim")
        table.add_row(Text(item["status"], style=_LOOKS[item["status"]]), Text(printable(name)), found)
    return table
