"""`loupe evaluate`: a config and overrides in, predictions.jsonl and summary.json out."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings; they win over the file.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with what differs.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on behind what the out folder already holds.")] = False,
) -> None:
    """Judge a data split under several looks, and score what came of it.

    Each image is judged with zoom as decided, without zoom, with random crops, and with the true region shown.

    Examples:

    loupe evaluate --config configs/pocket/evaluate.yaml

    loupe evaluate model=runs/pocket/grpo data=data/pocket out=runs/pocket/eval-grpo limit=200

    loupe evaluate --config configs/pocket/evaluate.yaml --resume
    """
    from loupe.bench.evaluate import EvaluateConfig
    from loupe.bench.evaluate import evaluate as run
    from loupe.cli.screen import out, progress_bar, recipe_table, remark
    from loupe.core.config import load_config

    words = [*(overrides or []), *(["resume=true"] if resume else [])]
    settings = load_config(EvaluateConfig, config, words)
    with progress_bar("episodes") as step:
        summary = run(settings, progress=step).to_json()
    for subset in ("all", "hard"):
        if any(look[subset] for look in summary["looks"].values()):
            out().print(recipe_table({Path(settings.model).name: summary}, subset=subset))
    remark(f"written to {settings.out}: predictions.jsonl, summary.json")
