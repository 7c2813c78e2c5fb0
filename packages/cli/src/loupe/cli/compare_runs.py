"""`loupe compare-runs`: two run folders in, paired differences on the screen and in a JSON file."""

from pathlib import Path
from typing import Annotated

import typer


def compare_runs(
    a: Annotated[Path, typer.Argument(help="Out folder of one evaluation, or of several data sets.")],
    b: Annotated[Path, typer.Argument(help="Folder of the run that it is compared with.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file for all that was found.")] = None,
    n_boot: Annotated[int, typer.Option("--n-boot", min=0, help="Bootstrap draws; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Compare two runs on the same images, with paired intervals.

    The figures are those of a less those of b on the images that both judged: SRCC, PLCC, class accuracy, and the mean
    absolute error of the rating, where less is better. One of the two is called better only where the interval of the
    difference leaves out zero.

    Examples:

    loupe compare-runs runs/pocket/eval-grpo runs/pocket/eval-sft

    loupe compare-runs runs/sets-grpo runs/sets-sft --output differences.json
    """
    from rich.text import Text

    from loupe.bench.compare_runs import compare_runs as run
    from loupe.bench.compare_table import HEAD, cells, looks_of, notes, verdicts
    from loupe.bench.words import LOOK_WORDS
    from loupe.cli.screen import out, remark, spinner, text_table
    from loupe.core.files import check_target, write_json

    if output is not None:
        check_target(output)
    with spinner("comparing"):
        found = run(a, b, n_boot=n_boot, seed=seed)
    for look in looks_of(found):
        out().print(Text(LOOK_WORDS.get(look, look), style="bold"))
        out().print(text_table(HEAD, cells(found, look)))
        for line in verdicts(found, look):
            out().print(Text(line))
        out().print()
    for line in notes(found):
        remark(line)
    remark("the column error: mean absolute error in rating points, less is better")
    remark(f"a is {a}, b is {b}; 95 % intervals; of twenty that compare equals, one is expected to leave out zero")
    if output is not None:
        write_json(output, found)
        remark(f"written to {output}")
