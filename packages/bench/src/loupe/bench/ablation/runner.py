"""Runs cells, one after the other or several at a time, and ends them all when it is interrupted."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from loupe.bench.ablation.cell_run import CellRun
from loupe.bench.ablation.plan import Cell
from loupe.bench.ablation.process import environment
from loupe.bench.ablation.state import CellState

PAUSE = 0.1
"""Seconds between two looks at the cells at work."""

Progress = Callable[[int, int, str], None]
"""Called many times with the cells that are done, those there are to run, and the names of those at work."""
Ended = Callable[[Cell, CellState], None]
"""Called once a cell, when it has ended."""


def run_cells(
    cells: Sequence[Cell],
    *,
    program: Sequence[str],
    jobs: int,
    cap: float,
    progress: Progress | None = None,
    ended: Ended | None = None,
) -> None:
    """Run all `cells`, at most `jobs` at a time and each for at most `cap` seconds; one that fails stops no other."""
    waiting, working, env = deque(cells), list[CellRun](), environment(jobs=jobs)
    try:
        while waiting or working:
            while waiting and len(working) < jobs:
                working.append(CellRun(waiting.popleft(), program=program, env=env, cap=cap))
            for run in list(working):
                if (state := run.poll()) is not None:
                    working.remove(run)
                    if ended is not None:
                        ended(run.cell, state)
            if progress is not None:
                names = "; ".join(run.cell.name for run in working)
                progress(len(cells) - len(waiting) - len(working), len(cells), names)
            if working:
                time.sleep(PAUSE)
    finally:
        for run in working:
            run.end()
