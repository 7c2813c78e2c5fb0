"""`loupe data export`: a data folder in the forms that other projects read."""

from pathlib import Path
from typing import Annotated

import typer

LEFT_OUT = 1
"""Exit code where some images could not be written."""


def export(
    folder: Annotated[Path, typer.Argument(metavar="DATA", help="Data folder, as `loupe data build` makes it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="deqa, q-insight-score, q-insight-distortion, q-insight-comparison, visualquality-r1-txt, "
            "visualquality-r1-jsonl, pyiqa, zoom-iqa or csv.",
        ),
    ],
    split: Annotated[str, typer.Option(help="Split to write, or all.")] = "test",
    values: Annotated[str, typer.Option(help="Scale of opinions: raw, or rating for 1..5.")] = "raw",
    std: Annotated[bool, typer.Option(help="Write deviations where the format has a place for them.")] = True,
    reference: Annotated[bool, typer.Option(help="Write references where the format has a place for them.")] = True,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Leave out, and count, what it cannot hold.")] = False,
) -> None:
    """Write a split in a form that other projects read. Deviations stand on the scale of the opinions beside them.

    Image names are relative to the data folder. What a format cannot hold (images that nobody rated, pairs without a
    reference) is refused in one line, or left out with --leave-out: exit code 1.

    Examples:

    loupe data export data/koniq --split test --format deqa --output test_koniq.json

    loupe data export data/kadid --split train --format visualquality-r1-jsonl --output train_kadid.jsonl

    loupe data export data/koniq --split all --format pyiqa --output meta_koniq.csv
    """
    from loupe.cli.screen import complain, remark
    from loupe.core import numbers
    from loupe.data.export.run import ExportConfig
    from loupe.data.export.run import export as write

    config = ExportConfig(
        data=str(folder),
        split=split,
        format=form,
        output=str(output),
        values=values,
        std=std,
        reference=reference,
        leave_out=leave_out,
    )
    written = write(config)
    remark(f"written to {written.path}: {numbers.count(written.rows)} rows")
    for note in written.notes:
        remark(note)
    for reason, count in written.left_out.items():
        complain(f"{numbers.count(count)} left out: {reason}")
    if written.left_out:
        raise typer.Exit(LEFT_OUT)
