"""`loupe bench test-fit`: how much of a fitted PLCC is noise."""

from loupe.cli.options import ConfigFile, Overrides, words


def test_fit(overrides: Overrides = None, config: ConfigFile = None) -> None:
    """Simulate how much PLCC and SRCC gain when a logistic curve or isotonic regression is fitted on the test labels.

    Every map is also scored on fresh labels, so that the benefit of a bent scale is told apart from over-fitting. Takes
    some minutes with the settings as they are.

    Examples:

    loupe bench test-fit

    loupe bench test-fit sizes=[586,2015] correlations=[0.9] coverage_draws=0 out=runs/test-fit-real
    """
    from loupe.bench.test_fit.config import TestFitConfig
    from loupe.bench.test_fit.run import test_fit as run
    from loupe.bench.test_fit.table import coverage_table, gain_table, notes
    from loupe.cli.screen import out, progress_bar, remark, text_table
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(TestFitConfig, config, words(overrides))
    with progress_bar("simulated test sets") as step:
        made = run(settings, progress=step)
    data = read_json(made)
    for statistic in ("plcc", "srcc"):
        table = gain_table(data, statistic, short=True)
        out().print(text_table(table.head, table.rows))
        out().print()
    if data["coverage"]:
        table = coverage_table(data)
        out().print(text_table(table.head, table.rows))
    for note in notes(data):
        remark(note)
    remark(f"written to {settings.out}: test-fit.json, test-fit.md, test-fit.png")
