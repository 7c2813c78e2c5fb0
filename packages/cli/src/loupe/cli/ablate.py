"""`loupe ablate`: a matrix of rewards and seeds in, a table with intervals out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loupe.cli.options import Overrides, words

if TYPE_CHECKING:
    from loupe.bench.ablation.config import AblateConfig


def ablate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file with rows, seeds and limits.")],
    overrides: Overrides = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells that run at the same time; they share the cores.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run cells again that failed before.")] = False,
) -> None:
    """Train every row of rewards with every seed from one start, judge each, and compare them with the first row.

    An interrupted ablation goes on where it stopped when the same line is given again; when all is done, it only writes
    the tables. Exit code 1 where a cell failed.

    Examples:

    loupe ablate configs/ablations/quick.yaml

    loupe ablate configs/ablations/rewards.yaml --jobs 2

    loupe ablate configs/ablations/rewards.yaml seeds=[0,1,2,3,4] limit=1200 out=runs/ablations/five-seeds
    """
    from rich.markup import escape

    from loupe.bench.ablation.ablate import ablate as run
    from loupe.bench.ablation.config import AblateConfig
    from loupe.bench.ablation.plan import check
    from loupe.bench.ablation.table import short_table
    from loupe.cli.screen import complain, out, progress_bar, remark, text_table
    from loupe.core import numbers
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(AblateConfig, config, words(overrides))
    check(settings)
    _prepare(settings)
    with progress_bar("cells") as step:
        made = run(
            settings,
            program=[sys.executable, "-m", "loupe.cli.main"],
            jobs=jobs,
            retry_failed=retry_failed,
            progress=lambda done, total, now: step(done, total, escape(now)),
            ended=lambda cell, state: remark(f"{cell.name}: {state.status}, {numbers.seconds(state.seconds)}"),
        )
    data = read_json(made)
    table = short_table(data)
    out().print(text_table(table.head, table.rows))
    remark(f"written to {settings.out}: table.md, table.csv, ablation.html, ablation.json, forest.svg")
    for failure in data["failures"]:
        complain(f"{failure['cell']}: {failure['reason']} (see {failure['log']})", label="not done")
    if data["failures"]:
        raise typer.Exit(1)


def _prepare(settings: "AblateConfig") -> None:
    """Make images and start model where they are missing, if they are those of the recipe that the config names."""
    from loupe.cli.recipe import Recipe
    from loupe.core.config import load_config
    from loupe.data.synth import SynthConfig
    from loupe.sft.config import SftConfig

    if not settings.prepare:
        return
    folder = Path(settings.prepare)
    images = load_config(SynthConfig, folder / "data.yaml").out
    model = f"{load_config(SftConfig, folder / 'own.yaml').out}/model"
    lacks_images = settings.data == images and not (Path(images) / f"{settings.split}.jsonl").is_file()
    lacks_model = settings.start == model and not Path(model).exists()
    if lacks_images or lacks_model:
        recipe = Recipe(folder, {}, runs=Path(settings.out))
        recipe.data("data")
        recipe.sft("sft")
        recipe.sft("own")
