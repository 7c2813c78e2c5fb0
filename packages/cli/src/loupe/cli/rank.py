"""`loupe rank`: pictures in, an order out."""

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.table import Table

    from loupe.bench.ranking.records import Ranking
    from loupe.cli.screen import Step


def rank(
    images: Annotated[list[Path], typer.Argument(metavar="FOLDER|IMAGE...", help="Pictures, or folders of them.")],
    by: Annotated[
        str, typer.Option("--by", help="ratings, comparisons, or rated-pairs (ratings as chances of being better).")
    ] = "ratings",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the ranking to this JSON file.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write an HTML page with thumbnails.")] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Shipped agent, model folder or hub id.")
    ] = "pocket-agent",
    protocol: Annotated[str, typer.Option("--protocol", help="How to ask: a name or a YAML file.")] = "",
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=0, help="Ratings a picture [4], or comparisons a pair and order [1].")
    ] = 0,
    fast: Annotated[
        bool, typer.Option("--fast", help="Rate without reasoning, once a picture; there are no intervals then.")
    ] = False,
    no_zoom: Annotated[bool, typer.Option("--no-zoom", help="Rate from the overview alone.")] = False,
    pairs: Annotated[int, typer.Option("--pairs", min=0, help="Pairs to compare, each in both orders.")] = 0,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Picture that comparisons are made against.")
    ] = None,
    fit: Annotated[
        str, typer.Option("--fit", help="Behind comparisons: bradley-terry or thurstone.")
    ] = "bradley-terry",
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="Draws behind the intervals, 40 or more; 0 for none.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all that is drawn.")] = 0,
) -> None:
    """Rank pictures from best to worst, and say how sure each rank is.

    Useful for choosing among restorations or generations of one thing. Folders are searched to the bottom. By ratings,
    every picture is rated several times; by comparisons, pairs are shown in both orders, all of a small folder, some of
    a large one. The same seed gives the same ranking. Exit code 1 says that a picture could not be ranked.

    Examples:

    loupe rank restorations/

    loupe rank holiday/ --fast --output order.json

    loupe rank a.png b.png c.png --samples 8 --report order.html

    loupe rank restorations/ --by comparisons --reference damaged.png --model runs/compare/model

    loupe rank generations/ --by comparisons --pairs 200 --model runs/compare/model --output order.json
    """
    from loupe.bench.assess import OTHER_PROTOCOL, POCKET_CAVEAT
    from loupe.bench.pictures import find_images
    from loupe.bench.ranking.config import RankConfig
    from loupe.bench.ranking.rank import rank as put_in_order
    from loupe.cli.screen import complain, out, remark
    from loupe.core.errors import ConfigError
    from loupe.core.files import check_target, write_json
    from loupe.core.model.checkpoints import SHIPPED

    config = RankConfig(
        model=model,
        by=by,
        protocol=protocol,
        reference=str(reference or ""),
        fit=fit,
        zoom=not no_zoom,
        fast=fast,
        samples=samples,
        pairs=pairs,
        draws=draws,
        seed=seed,
    )
    paths = find_images(images)
    for target in (output, report):
        if target is not None:
            check_target(target, keep=[*paths, Path(config.reference), Path(config.asked)])
    if output is not None and report is not None and output.resolve() == report.resolve():
        raise ConfigError(f"--output and --report: got {output} for both; wanted two files")
    with _bars() as step:
        ranking = put_in_order(paths, config, progress=step)
    for name, reason in ranking.problems:
        complain(f"{name}: {reason}")
    if output is not None:
        write_json(output, ranking.to_json())
    if report is not None:
        from loupe.bench.ranking.page import write_rank_page

        write_rank_page(ranking, report)
    if as_json:
        print(json.dumps(ranking.to_json()))
    elif ranking.pictures:
        out().print(_table(ranking))
    for line in (ranking.basis, *ranking.notes):
        remark(line)
    if model in SHIPPED:
        remark(POCKET_CAVEAT if config.asked == "zoom-brief" else f"{POCKET_CAVEAT} {OTHER_PROTOCOL}")
    if ranking.problems:
        raise typer.Exit(1)


@contextmanager
def _bars() -> "Generator[Step]":
    """A progress bar for each stage of the work, named for it."""
    from loupe.cli.screen import progress_bar

    with ExitStack() as stack:
        now, bar = "", None

        def step(done: int, total: int, what: str = "") -> None:
            nonlocal now, bar
            if what != now or bar is None:
                stack.close()
                now, bar = what, stack.enter_context(progress_bar(what))
            bar(done, total)

        yield step


def _table(ranking: "Ranking") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from loupe.core import numbers
    from loupe.core.printable import printable

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("rank", justify="right")
    table.add_column("picture", overflow="fold")
    for name in ("score", "95 % interval", "ranks", "not told apart from"):
        table.add_column(name)
    for item in ranking.pictures:
        low, high = item.interval or (None, None)
        table.add_row(
            str(item.rank),
            Text(printable(item.image) + "".join(f"\n= {printable(copy)}" for copy in item.copies)),
            Text(numbers.rating(item.score), style="bold"),
            numbers.DASH if low is None else f"{numbers.rating(low)} to {numbers.rating(high)}",
            numbers.DASH if item.ranks is None else "–".join(map(str, dict.fromkeys(item.ranks))),
            ranking.near(item) and f"rank {ranking.near(item)}",
        )
    return table
