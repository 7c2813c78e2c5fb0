"""`loupe evaluate`: a config and overrides in, predictions.jsonl and summary.json out, and audit.json where asked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loupe.cli.options import ConfigFile, Overrides, Resume, words

if TYPE_CHECKING:
    from loupe.bench.evaluate import EvaluateConfig


def evaluate(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
    zoom_audit: Annotated[
        bool, typer.Option("--zoom-audit", help="Also play the controls that say whether the zooming is honest.")
    ] = False,
) -> None:
    """Judge a data split under several looks, and score what came of it.

    Each image is judged with zoom as decided, without zoom, with random crops, and with the true region shown. A zoom
    audit adds centre crops, no crop at equal tokens, more seeds, undamaged images with a forced crop, and shallow depth
    of field beside real blur, and writes a table with verdicts.

    Examples:

    loupe evaluate --config configs/pocket/evaluate.yaml

    loupe evaluate model=runs/pocket/grpo/model data=data/pocket out=runs/pocket/eval-grpo limit=200

    loupe evaluate --config configs/pocket/evaluate.yaml --resume

    loupe evaluate --zoom-audit --config configs/pocket/audit.yaml model=pocket-agent limit=400
    """
    if zoom_audit:
        _audit(config, words(overrides, resume=resume))
        return
    from loupe.bench.evaluate import EvaluateConfig
    from loupe.bench.evaluate import evaluate as run
    from loupe.cli.screen import progress_bar
    from loupe.core.config import load_config

    settings = load_config(EvaluateConfig, config, words(overrides, resume=resume))
    with progress_bar("episodes") as step:
        summary = run(settings, progress=step).to_json()
    _tell(settings, summary, files="predictions.jsonl, summary.json")


def _audit(config: Path | None, overrides: list[str]) -> None:
    from rich.text import Text

    from loupe.bench.audit.config import AuditConfig
    from loupe.bench.audit.run import audit
    from loupe.bench.audit.table import HEAD, cells, red_lines, verdict_line
    from loupe.bench.summary import FILE as SUMMARY
    from loupe.cli.screen import out, progress_bar, text_table
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(AuditConfig, config, overrides)
    with progress_bar("episodes") as step:
        found = audit(settings, progress=step)
    _tell(
        settings, read_json(Path(settings.out) / SUMMARY), files="predictions.jsonl, summary.json, audit.json, audit/"
    )
    out().print(text_table(HEAD, cells(found)))
    for line in (f"checks: {verdict_line(found)}", *red_lines(found)):
        out().print(Text(line))


def _tell(settings: "EvaluateConfig", summary: dict[str, Any], *, files: str) -> None:
    from loupe.cli.screen import out, recipe_table, remark

    for subset in ("all", "hard"):
        if any(look[subset] for look in summary["looks"].values()):
            out().print(recipe_table({Path(settings.model).name: summary}, subset=subset))
    if settings.n_boot and all(look["all"]["expected"]["all"]["srcc"][1] is None for look in summary["looks"].values()):
        remark("no interval is known: too few pristine images or photographs stand behind these images")
    remark(f"written to {settings.out}: {files}")
