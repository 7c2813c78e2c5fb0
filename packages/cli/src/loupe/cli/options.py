"""What every verb that runs a stage takes on its line: settings, a file of settings, and whether to go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from loupe.core.errors import ConfigError

Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings; they win over the file.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with what differs.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run in the out folder stopped.")]


def words(overrides: list[str] | None, *, resume: bool = False) -> list[str]:
    """The overrides of a line, `--resume` among them as the setting that it is."""
    return [*(overrides or []), *(["resume=true"] if resume else [])]


def is_set(key: str, config: Path | None, overrides: Sequence[str]) -> bool:
    """Whether a file of settings or an override gives a word for this key."""
    from loupe.core.config import word_in

    return any(word.startswith(f"{key}=") for word in overrides) or (config is not None and word_in(config, key) != "")


def pairs(text: str | None, *, option: str) -> dict[str, str]:
    """`a=x,b=y` as a mapping; empty for nothing. Raises ConfigError for a part without its name or value."""
    found: dict[str, str] = {}
    for part in (text or "").split(",") if text else ():
        name, _, value = part.partition("=")
        if not name.strip() or not value.strip():
            raise ConfigError(f"{option}: got {part!r}; wanted name=value, with commas between several")
        found[name.strip()] = value.strip()
    return found
