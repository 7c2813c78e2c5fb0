"""Runs the study of fits on test labels, and writes its numbers, its page and its picture.

Everything hangs on the settings alone. The page and the picture are made of what test-fit.json holds.
"""

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from loupe.bench.test_fit.config import TestFitConfig
from loupe.bench.test_fit.coverage import coverage
from loupe.bench.test_fit.inflation import measure
from loupe.bench.test_fit.picture import picture
from loupe.bench.test_fit.simulate import Cell, cells
from loupe.bench.test_fit.table import page
from loupe.core.files import check_target, read_json, write_bytes_atomic, write_json, write_text_atomic

NUMBERS, PAGE, PICTURE = "test-fit.json", "test-fit.md", "test-fit.png"

Progress = Callable[[int, int], None]
"""Called with the test sets that are done and those that there are in all."""


def test_fit(config: TestFitConfig, *, progress: Progress = lambda done, total: None) -> Path:
    """Simulate all conditions and write test-fit.json, test-fit.md and test-fit.png into `config.out`.

    Returns the path of test-fit.json. Raises ConfigError.
    """
    config.check()
    out = Path(config.out)
    check_target(out / NUMBERS)
    conditions = cells(config.sizes, config.correlations, config.links)
    checked = _checked(config)
    total, done = config.repetitions * (len(conditions) + len(checked)), 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    common = {"repetitions": config.repetitions, "seed": config.seed}
    found = [measure(cell, n_boot=config.n_boot, progress=step, **common) for cell in conditions]
    held = [coverage(cell, kind, n_draws=config.coverage_draws, progress=step, **common) for kind, cell in checked]
    numbers = {
        "config": asdict(config),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        "cells": [asdict(item) for item in found],
        "coverage": [asdict(item) for item in held],
    }
    write_json(out / NUMBERS, numbers)
    data = read_json(out / NUMBERS)
    write_text_atomic(out / PAGE, page(data, picture=PICTURE))
    write_bytes_atomic(out / PICTURE, picture(data))
    return out / NUMBERS


# pytest takes whatever is called test_ for a test where a test file imports it.
test_fit.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def _checked(config: TestFitConfig) -> list[tuple[str, Cell]]:
    """Conditions of the study of intervals: each map on one link, on the smallest size, for every correlation.

    The isotonic map has nothing to bend on the linear link, where all that it gains is noise. The logistic curve has no
    best parameters there, and each fit of thousands would take long to end; it is checked on the tanh link.
    """
    wanted = [("isotonic", "linear"), ("logistic", "tanh")] if config.coverage_draws else []
    return [
        (kind, Cell(min(config.sizes), r, link))
        for kind, link in wanted
        if link in config.links
        for r in config.correlations
    ]
