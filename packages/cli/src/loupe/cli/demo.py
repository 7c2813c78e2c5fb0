"""`loupe demo`: the whole recipe in one go, each stage reading the folder of the one before."""

from pathlib import Path
from typing import Annotated

import typer

SMALL = {
    "data": ["out=data/pocket-small", "train=24", "val=2", "test=12"],
    "sft": ["data=data/pocket-small", "out=runs/pocket-small/sft", "trainer.max_steps=12"],
    "own": [
        "model.path=runs/pocket-small/sft/model",
        "data=data/pocket-small",
        "out=runs/pocket-small/own",
        "own_words=64",
        "trainer.max_steps=4",
    ],
    "grpo": [
        "model.path=runs/pocket-small/own/model",
        "data=data/pocket-small",
        "out=runs/pocket-small/grpo",
        "trainer.max_steps=4",
    ],
    "evaluate": ["data=data/pocket-small"],
    "report": ["out=runs/pocket-small/report"],
}
"""What a small demo sets apart from the configs: every stage does its real job, on a few images."""


def demo(
    size: Annotated[str, typer.Option(help="full: some eleven minutes on two cores. small: under two.")] = "full",
    configs: Annotated[Path, typer.Option(help="Folder with the YAML files of the stages.")] = Path("configs/pocket"),
) -> None:
    """Walk the whole recipe on two CPU cores: images, SFT, SFT on its own words, GRPO, evaluation, report.

    An interrupted demo goes on where it stopped.

    Examples:

    loupe demo

    loupe demo --size small
    """
    from loupe.cli.recipe import Recipe
    from loupe.core.errors import ConfigError

    if size not in ("full", "small"):
        raise ConfigError(f"--size: got {size!r}; wanted full or small")
    recipe = Recipe(configs, SMALL if size == "small" else {}, runs=Path(f"runs/pocket{'-small' * (size == 'small')}"))
    recipe.data("data")
    recipe.evaluate("base", "pocket-base")
    recipe.sft("sft")
    recipe.evaluate("sft", recipe.sft("own"))
    recipe.evaluate("grpo", recipe.grpo("grpo"))
    recipe.table()
    recipe.report()
