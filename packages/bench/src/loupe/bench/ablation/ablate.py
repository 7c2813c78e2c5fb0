"""The whole of `loupe ablate`: plan, run what is left, and tabulate. Run again, it only does what is missing."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loupe.bench.ablation.config import AblateConfig
from loupe.bench.ablation.plan import plan
from loupe.bench.ablation.process import take_lock
from loupe.bench.ablation.results import results
from loupe.bench.ablation.runner import Ended, Progress, run_cells
from loupe.bench.ablation.state import unfinished
from loupe.bench.ablation.write import write_results
from loupe.core.errors import ConfigError


def ablate(
    config: AblateConfig,
    *,
    program: Sequence[str],
    jobs: int = 1,
    retry_failed: bool = False,
    progress: Progress | None = None,
    ended: Ended | None = None,
) -> Path:
    """Run every cell that is not done, at most `jobs` at a time, and write the results; returns their ablation.json.

    `program` is the command that takes the verbs `grpo` and `evaluate`. Raises ConfigError, MissingFileError,
    ModelError and DataError; a cell that fails is a row of the results and raises nothing.
    """
    if jobs < 1:
        raise ConfigError(f"jobs: got {jobs}; wanted at least 1")
    cells, out = plan(config), Path(config.out)
    with _alone(out):
        left = unfinished(cells, retry_failed=retry_failed)
        cap = 60.0 * config.max_minutes
        run_cells(left, program=program, jobs=jobs, cap=cap, progress=progress, ended=ended)
        return write_results(results(config, cells), config, out)


@contextmanager
def _alone(out: Path) -> Generator[None]:
    """Raises ConfigError where another runner is at work in the folder."""
    lock = take_lock(out / "lock")
    if lock is None:
        raise ConfigError(f"another loupe ablate is at work in {out}; wait for it, or choose another out")
    try:
        yield
    finally:
        os.close(lock)
