"""`loupe evaluate`: a config and overrides in, predictions.jsonl and summary.json out."""

from pathlib import Path

from loupe.cli.options import ConfigFile, Overrides, Resume, words


def evaluate(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Judge a data split under several looks, and score what came of it.

    Each image is judged with zoom as decided, without zoom, with random crops, and with the true region shown.

    Examples:

    loupe evaluate --config configs/pocket/evaluate.yaml

    loupe evaluate model=runs/pocket/grpo/model data=data/pocket out=runs/pocket/eval-grpo limit=200

    loupe evaluate --config configs/pocket/evaluate.yaml --resume
    """
    from loupe.bench.evaluate import EvaluateConfig
    from loupe.bench.evaluate import evaluate as run
    from loupe.cli.screen import out, progress_bar, recipe_table, remark
    from loupe.core.config import load_config

    settings = load_config(EvaluateConfig, config, words(overrides, resume=resume))
    with progress_bar("episodes") as step:
        summary = run(settings, progress=step).to_json()
    for subset in ("all", "hard"):
        if any(look[subset] for look in summary["looks"].values()):
            out().print(recipe_table({Path(settings.model).name: summary}, subset=subset))
    remark(f"written to {settings.out}: predictions.jsonl, summary.json")
