"""`loupe pocket`: both shipped checkpoints from zero, their held-out figures, their cards."""

from pathlib import Path
from typing import Annotated

import typer


def pocket(
    configs: Annotated[Path, typer.Option(help="Folder with the YAML files of the stages.")] = Path("configs/pocket"),
    install: Annotated[
        Path | None, typer.Option(help="Also copy both checkpoints into this folder, each with its card.")
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of photographs to learn from beside dead leaves.", exists=True, file_okay=False),
    ] = None,
    until: Annotated[str, typer.Option(help="Stop after this stage: base, agent or figures.")] = "figures",
) -> None:
    """Make pocket-base and pocket-agent from zero: perception, SFT twice, GRPO, and the figures of their cards.

    Takes hours on two cores; it uses a GPU where there is one. An interrupted run goes on where it stopped.

    Examples:

    loupe pocket

    loupe pocket --until base --photos ~/Pictures

    loupe pocket --install packages/core/src/loupe/core/model/checkpoints
    """
    from loupe.cli.recipe import Recipe
    from loupe.core.errors import ConfigError

    if until not in ("base", "agent", "figures"):
        raise ConfigError(f"--until: got {until!r}; wanted base, agent or figures")
    words = [f"photos={photos}"] if photos is not None else []
    recipe = Recipe(configs, {"data-base": words, "data-agent": words}, runs=Path("runs/pocket-agent"))
    recipe.data("data-base")
    models = {"pocket-base": recipe.perception("base")}
    if until == "base":
        return
    recipe.data("data-agent")
    recipe.sft("sft-agent")
    sft = recipe.sft("own-agent")
    models["pocket-agent"] = recipe.grpo("grpo-agent")
    if until == "agent":
        return
    recipe.data("data")
    recipe.photographs("data-photos")
    recipe.evaluate("base", models["pocket-base"])
    recipe.evaluate("sft", sft)
    recipe.evaluate("grpo", models["pocket-agent"])
    recipe.table()
    for name, model in models.items():
        stage = {"pocket-base": "base", "pocket-agent": "grpo"}[name]
        recipe.evaluate(f"{stage}-photos", model, "data=data/photos")
        recipe.card(name, model, stage)
        if install is not None:
            recipe.install(model, install / name)
    recipe.report()
