"""`loupe evaluate`: a config and overrides in, predictions.jsonl and summary.json out, and audit.json where asked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loupe.cli.evaluate_sets import evaluate_sets
from loupe.cli.options import ConfigFile, Overrides, Resume, is_set, words

if TYPE_CHECKING:
    from loupe.bench.evaluate import EvaluateConfig


def evaluate(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
    zoom_audit: Annotated[
        bool, typer.Option("--zoom-audit", help="Also play the controls that say whether the zooming is honest.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option("--samples", "-n", min=1, help="Judgements of each image; all but the first drawn.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="No reasoning: read the rating off in one pass.")] = False,
) -> None:
    """Judge one or several data sets, and score what came of it.

    Each image is judged with zoom as decided, without zoom, with random crops, and with the true region shown. A zoom
    audit adds centre crops, no crop at equal tokens, more seeds, undamaged images with a forced crop, and shallow depth
    of field beside real blur, and writes a table with verdicts.

    A protocol that asks what is wrong and for no rating is scored by class and level; one that compares is played over
    the pairs of the data folder (see `loupe data pairs`).

    With `calibrate=` naming images of other references, intervals for single images are calibrated on them and their
    coverage is measured on the split; `loupe assess --calibration` puts them around its ratings.

    Examples:

    loupe evaluate --config configs/pocket/evaluate.yaml

    loupe evaluate model=runs/pocket/grpo/model data=data/pocket out=runs/pocket/eval-grpo limit=200

    loupe evaluate --config configs/pocket/evaluate.yaml --resume

    loupe evaluate --zoom-audit --config configs/pocket/audit.yaml model=pocket-agent limit=400

    loupe evaluate --samples 4 data=data/pocket out=runs/pocket/eval-samples 'looks=[decided]'

    loupe evaluate --fast data=data/pocket out=runs/pocket/eval-fast

    loupe evaluate --config configs/pocket/calibration.yaml

    loupe evaluate 'sets=[data/koniq-10k, data/spaq, data/kadid-10k]' model=runs/qwen/grpo/adapter out=runs/qwen/sets

    loupe evaluate protocol=degradation model=runs/qwen/grpo/adapter data=data/kadid out=runs/qwen/eval-degradation

    loupe evaluate protocol=compare model=runs/qwen/grpo/adapter data=data/kadid out=runs/qwen/eval-compare
    """
    given = [*words(overrides, resume=resume), *([] if samples is None else [f"samples={samples}"])]
    given += ["fast=true"] if fast else []
    if zoom_audit:
        _audit(config, given)
        return
    if is_set("calibrate", config, given):
        _calibrate(config, given)
        return
    if evaluate_sets(config, given):
        return
    from loupe.bench.evaluate import EvaluateConfig
    from loupe.bench.evaluate import evaluate as run
    from loupe.bench.summary import FILE as SUMMARY
    from loupe.cli.screen import progress_bar
    from loupe.core.config import load_config
    from loupe.core.files import read_json
    from loupe.core.protocol import load_protocol

    settings = load_config(EvaluateConfig, config, given)
    if "choice" in load_protocol(settings.protocol).asks:
        _compare(settings)
        return
    with progress_bar("episodes") as step:
        run(settings, progress=step)
    _tell(settings, read_json(Path(settings.out) / SUMMARY), files="predictions.jsonl, summary.json")


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


def _calibrate(config: Path | None, overrides: list[str]) -> None:
    from loupe.bench.calibration.config import CalibrateConfig
    from loupe.bench.calibration.run import COVERAGE, evaluate_calibrated
    from loupe.bench.calibration.table import HEAD, RANGE_HEAD, level_rows, range_rows, verdict_line
    from loupe.bench.summary import FILE as SUMMARY
    from loupe.cli.screen import out, progress_bar, remark, text_table
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(CalibrateConfig, config, overrides)
    with progress_bar("episodes") as step:
        evaluate_calibrated(settings, progress=step)
    found = read_json(Path(settings.out) / COVERAGE)
    files = "predictions.jsonl, summary.json, calibration.json, coverage.json, reliability.png"
    _tell(settings, read_json(Path(settings.out) / SUMMARY), files=files)
    out().print(text_table(HEAD, level_rows(found)))
    out().print(text_table(RANGE_HEAD, range_rows(found)))
    remark(verdict_line(found))


def _compare(settings: "EvaluateConfig") -> None:
    from loupe.bench.comparison.run import compare
    from loupe.bench.comparison.table import HEAD, notes, screen_rows
    from loupe.bench.summary import FILE as SUMMARY
    from loupe.cli.screen import out, progress_bar, remark, text_table
    from loupe.core.files import read_json

    with progress_bar("pairs") as step:
        compare(settings, progress=step)
    found = read_json(Path(settings.out) / SUMMARY)["comparison"]
    out().print(text_table(HEAD, screen_rows(found)))
    for note in (*notes(found), f"written to {settings.out}: comparisons.jsonl, summary.json"):
        remark(note)


def _tell_degradation(settings: "EvaluateConfig", summary: dict[str, Any], *, files: str) -> None:
    from loupe.bench.degradation_page import MARKDOWN, PAGE, main_table, notes, screen_table
    from loupe.cli.screen import out, remark, text_table

    table = main_table(summary)
    if table is None:
        remark("nothing was scored: no image of the split has a label for what the protocol asks")
    else:
        shown = screen_table(table)
        out().print(text_table(shown.head, shown.rows))
        for note in notes(table):
            remark(note)
        files += f", {PAGE}, {MARKDOWN}"
    remark(f"written to {settings.out}: {files}")


def _tell(settings: "EvaluateConfig", summary: dict[str, Any], *, files: str) -> None:
    from loupe.bench.sampled_table import FAST_HEAD, SAMPLED_HEAD, fast_rows, sampled_rows
    from loupe.cli.screen import out, recipe_table, remark, text_table

    if not any(look["all"]["expected"] for look in summary["looks"].values()):
        _tell_degradation(settings, summary, files=files)
        return
    for head, rows in ((FAST_HEAD, fast_rows(summary)), (SAMPLED_HEAD, sampled_rows(summary))):
        if rows:
            out().print(text_table(head, rows))
    for subset in ("all", "hard"):
        if not settings.fast and any(look[subset] for look in summary["looks"].values()):
            out().print(recipe_table({Path(settings.model).name: summary}, subset=subset))
    if settings.n_boot and all(_is_unknown(look) for look in summary["looks"].values()):
        remark("no interval is known: too few pristine images or photographs stand behind these images")
    remark(f"written to {settings.out}: {files}")


def _is_unknown(look: dict[str, Any]) -> bool:
    """The interval of the SRCC cannot be known, or there is none."""
    return look["all"]["expected"] is None or look["all"]["expected"]["all"]["srcc"][1] is None
