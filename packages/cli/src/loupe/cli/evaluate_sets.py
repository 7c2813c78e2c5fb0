"""The part of `loupe evaluate` that judges several data sets in one go."""

from collections.abc import Sequence
from pathlib import Path


def evaluate_sets(config: Path | None, overrides: Sequence[str]) -> bool:
    """Judge the data sets that the settings list under `sets`, and print their table; False where they list none."""
    from loupe.bench.sets.config import SetsConfig
    from loupe.core.config import load_config

    settings = load_config(SetsConfig, config, overrides)
    if settings.sets is None:
        return False
    from rich.text import Text

    from loupe.bench.sampled_table import SAMPLED_HEAD, sampled_rows
    from loupe.bench.sets.page import HEAD, cells
    from loupe.bench.sets.run import evaluate_sets as run
    from loupe.bench.words import LOOK_WORDS
    from loupe.cli.screen import out, progress_bar, remark, text_table

    with progress_bar("images") as step:
        table = run(settings, progress=step)
    for look in table["looks"]:
        out().print(Text(LOOK_WORDS.get(look) or str(look), style="bold"))
        out().print(text_table(HEAD, cells(table, look)))
        if rows := sampled_rows(table["looks"][look]):
            out().print(text_table(("", *SAMPLED_HEAD[1:]), rows))
        out().print()
    remark("failures count at mid-scale; the page has the figures without them, and those fitted on the test labels")
    remark(f"written to {settings.out}: table.json, table.html, and a folder for each data set")
    return True
