"""`loupe data build`: a data set as it was downloaded becomes a data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loupe.cli.options import ConfigFile, Overrides, words

if TYPE_CHECKING:
    from rich.table import Table

WITH_GAPS = 1
Root = Annotated[Path | None, typer.Option("--root", help="Folder where the download was unpacked.")]
Out = Annotated[Path | None, typer.Option("--out", help="Data folder to write; data/NAME if left out.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Go on with what is there; the exit code is 1.")]


def build(
    overrides: Overrides = None,
    config: ConfigFile = None,
    root: Root = None,
    out: Out = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Read a public data set as it was downloaded, by its recipe, and write a data folder.

    The recipe says which files hold the labels, what their columns mean, on which scale, and how to split. Missing and
    extra images, and counts that are not those of the release, are listed and refused; --allow-missing goes on with
    what is there. Images are hard links where the file system has them. An interrupted run goes on where it stopped.

    Exit codes: 0 all there, 1 built with gaps, 2 refused.

    Examples:

    loupe data build -c data_recipes/koniq-10k.yaml --root downloads/koniq10k

    loupe data build -c data_recipes/koniq-10k.yaml --root downloads/koniq10k flavour=sets "images=['**/512x384/*']"

    loupe data build -c data_recipes/spaq.yaml --root downloads/SPAQ --out data/spaq short_side=448 --allow-missing
    """
    from loupe.cli import screen
    from loupe.core.config import load_config
    from loupe.data.recipes.build import build as build_folder
    from loupe.data.recipes.recipe import Recipe

    given = {"root": root, "out": out, "allow_missing": allow_missing or None}
    settings = load_config(Recipe, config, words(overrides))
    for name, value in given.items():
        if value is not None:
            setattr(settings, name, value if isinstance(value, bool) else str(value))
    with screen.progress_bar("files and rows") as step:
        built = build_folder(settings, progress=step)
    screen.out().print(_table(built.manifest))
    for line in _remarks(built.manifest):
        screen.remark(line)
    screen.remark(f"written to {built.folder}: labels of each split, images, manifest.json")
    if built.gaps:
        screen.complain(f"built with gaps: {built.gaps}")
        raise typer.Exit(WITH_GAPS)


def _table(manifest: dict[str, Any]) -> "Table":
    """A row a split, and one for the whole with the range of its opinions."""
    from loupe.cli.screen import text_table
    from loupe.core import numbers

    splits = {name: row["images"] for name, row in manifest["splits"].items()}
    rows = [[name, numbers.count(images)] for name, images in splits.items()]
    return text_table((manifest["name"], "images"), [*rows, ["all", numbers.count(sum(splits.values()))]])


def _remarks(manifest: dict[str, Any]) -> list[str]:
    """What the labels are, in a few lines."""
    from loupe.core import numbers

    lines = [f"{numbers.count(number)} rows left out: {why}" for why, number in manifest["dropped"].items()]
    if manifest["scale"] is not None:
        rating = manifest["scale"]["rating"]
        mos, better = manifest["mos"], "higher" if rating["higher_is_better"] else "lower"
        lines.append(
            f"opinions {numbers.plain(mos[0])} to {numbers.plain(mos[1])}, {better} is better; "
            f"{numbers.plain(rating['low'])} to {numbers.plain(rating['high'])} became 1 to 5"
        )
    if manifest["mos_std"] is not None:
        low, high = (numbers.plain(value) for value in manifest["mos_std"])
        lines.append(f"standard deviations {low} to {high}, on the scale of the opinions")
    if manifest["flavour"]:
        lines.append(f"labels in the form {manifest['flavour']}")
    return [*lines, *manifest["notes"]]
