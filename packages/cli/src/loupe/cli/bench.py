"""`loupe bench`: what is measured side by side on this machine; so far one verb, `rewards`."""

from typing import Annotated

import typer

bench = typer.Typer(no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure parts of Loupe beside yardsticks, in one run on this machine."""


@bench.command()
def rewards(
    images: Annotated[int, typer.Option(min=2, help="Images of the batch.")] = 256,
    samples: Annotated[int, typer.Option(min=2, help="Rated samples of each image.")] = 8,
) -> None:
    """Time the rank reward beside plain loops over its formula, and check that they agree.

    Exit code 1 where they do not. Use one thread for a fair ratio: OMP_NUM_THREADS=1.

    Examples:

    loupe bench rewards

    loupe bench rewards --images 64 --samples 6
    """
    from rich.table import Table

    from loupe.bench.reward_speed import TOLERANCE, time_rank_reward
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core import numbers

    with progress_bar("images of the loops") as step:
        timings = time_rank_reward(images=images, samples=samples, progress=step)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"rank reward, {images} images, {samples} samples each")
    for key in ("time", "times ours", "greatest difference"):
        table.add_column(key, justify="right")
    for timing in timings:
        ratio = numbers.fixed(timing.seconds / timings[0].seconds, 0)
        table.add_row(timing.name, numbers.seconds(timing.seconds), ratio, numbers.scientific(timing.difference))
    out().print(table)
    if any(timing.difference > TOLERANCE for timing in timings):
        remark(f"the ways do not agree to {TOLERANCE}: a defect, please report it")
        raise typer.Exit(1)
