"""`loupe report`: run folders in, one HTML page out."""

from loupe.cli.options import ConfigFile, Overrides, words


def report(
    overrides: Overrides = None,
    config: ConfigFile = None,
) -> None:
    """Make one HTML page of evaluations and trainings; no model and no GPU is needed.

    Examples:

    loupe report --config configs/pocket/report.yaml

    loupe report evaluations.agent=runs/pocket/eval trainings.GRPO=runs/pocket/grpo out=runs/pocket/report
    """
    from loupe.bench.report import ReportConfig
    from loupe.bench.report import report as run
    from loupe.cli.screen import out, recipe_table, remark
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(ReportConfig, config, words(overrides))
    page = run(settings, settings.out)
    out().print(recipe_table(read_json(page.with_suffix(".json"))["evaluations"]))
    remark(f"written to {page}")
