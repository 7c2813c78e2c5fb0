"""What every verb that runs a stage takes on its line: settings, a file of settings, and whether to go on."""

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings; they win over the file.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with what differs.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run in the out folder stopped.")]


def words(overrides: list[str] | None, *, resume: bool = False) -> list[str]:
    """The overrides of a line, `--resume` among them as the setting that it is."""
    return [*(overrides or []), *(["resume=true"] if resume else [])]
