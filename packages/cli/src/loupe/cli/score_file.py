"""`loupe score-file`: predictions of any tool and a data folder in, agreement on the screen and in a JSON file."""

from pathlib import Path
from typing import Annotated

import typer

UNMATCHED = 1
"""Exit code where something had no partner."""


def score_file(
    file: Annotated[Path, typer.Argument(help="File with the predictions.")],
    data: Annotated[Path | None, typer.Option("--data", help="Data folder with the opinions.")] = None,
    split: Annotated[str, typer.Option("--split", help="Split of the data folder.")] = "test",
    format: Annotated[
        str | None,
        typer.Option("--format", help="csv, zoom-iqa-jsonl, deqa-json or visualquality-r1-txt; else by content."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="image=NAME,score=NAME[,label=NAME]", help="Columns of a table.")
    ] = None,
    scale: Annotated[
        tuple[float, float] | None, typer.Option("--scale", help="Lowest and highest score that the tool gives.")
    ] = None,
    label_scale: Annotated[
        tuple[float, float] | None, typer.Option("--label-scale", help="The same for opinions that the file holds.")
    ] = None,
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="Scores run against quality, as those of NIQE do.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file for all that was found.")] = None,
    n_boot: Annotated[int, typer.Option("--n-boot", min=0, help="Bootstrap draws; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Score the predictions of any tool against opinions.

    Predictions find their images by id, path, file name or stem. Opinions come from a data folder, or from the file
    where it holds some. Predictions that are no number count in the middle of the scale. Exit code 1 says that images
    or predictions are without a partner.

    Examples:

    loupe score-file scores.csv --data data/koniq-10k --split test --scale 0 100

    loupe score-file results.jsonl --format zoom-iqa-jsonl

    loupe score-file niqe.csv --data data/spaq --columns image=file,score=niqe --lower-is-better
    """
    from loupe.bench.score_file.score import ScoreFile
    from loupe.bench.score_file.score import score_file as run
    from loupe.bench.score_file.screen_table import FITTED_HEAD, HEAD, cells, fitted_cells, notes, reasons
    from loupe.cli.options import pairs
    from loupe.cli.screen import out, remark, spinner, text_table
    from loupe.core.files import check_target, write_json

    if output is not None:
        check_target(output, keep=[file])
    settings = ScoreFile(
        file,
        data=data,
        split=split,
        format=format or "",
        columns=pairs(columns, option="--columns"),
        scale=scale,
        label_scale=label_scale,
        lower_is_better=lower_is_better,
        n_boot=n_boot,
        seed=seed,
    )
    with spinner("scoring"):
        found = run(settings)
    out().print(text_table(HEAD, cells(found)))
    if fitted := fitted_cells(found):
        out().print()
        out().print(text_table(FITTED_HEAD, fitted))
    for line in (*reasons(found), *notes(found)):
        remark(line)
    if output is not None:
        write_json(output, found)
        remark(f"written to {output}")
    if not found["complete"]:
        raise typer.Exit(UNMATCHED)
