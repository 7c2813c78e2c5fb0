"""One cell at work: it waits until its folder is free, then runs its commands one after the other.

Nothing in here blocks, so that one loop can look after several cells without threads. Both stages resume, so a cell
that was cut anywhere is simply run again.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence

from loupe.bench.ablation import process
from loupe.bench.ablation.plan import Cell
from loupe.bench.ablation.state import BEGUN, DONE, FAILED, CellState, write_state
from loupe.core import numbers

LOCK, LOG = "lock", "log.txt"


class CellRun:
    """Call `poll` until it gives the end of the cell, or `end` to break it off; a broken-off cell can be run again."""

    def __init__(self, cell: Cell, *, program: Sequence[str], env: Mapping[str, str], cap: float) -> None:
        """`program` is put before the words of each stage; `cap` are the seconds that all of them may take."""
        self.cell = cell
        self._program, self._env, self._cap = program, env, cap
        self._began = time.monotonic()
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stage = self._said_before = 0

    def poll(self) -> CellState | None:
        """What became of the cell, written to its folder; None while it is at work."""
        if time.monotonic() - self._began > self._cap:
            return self._over_the_cap()
        if self._process is None:
            self._go_on()
            return None
        code = self._process.poll()
        if code is None:
            return None
        if code != 0:
            return self._close(FAILED, process.why(self._name, code, self._said()))
        self._stage, self._process = self._stage + 1, None
        return self._close(DONE) if self._stage == len(self.cell.stages) else None

    def end(self) -> None:
        """End what is running and free the folder."""
        self._end_process()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _name(self) -> str:
        return self.cell.stages[self._stage].words[0]

    def _go_on(self) -> None:
        """Start the next command, if the folder is free or can be had now."""
        self._lock = process.take_lock(self.cell.folder / LOCK) if self._lock is None else self._lock
        if self._lock is None:
            return
        if self._stage == 0:
            write_state(self.cell, CellState(BEGUN))
        stage, log = self.cell.stages[self._stage], self.cell.folder / LOG
        words = [*self._program, *stage.words, *stage.places]
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"$ {' '.join(words)}\n")
        self._said_before = log.stat().st_size
        self._process = process.start(words, log=log, lock=self._lock, env=self._env)

    def _said(self) -> str:
        with (self.cell.folder / LOG).open("rb") as stream:
            stream.seek(self._said_before)
            return stream.read().decode("utf-8", errors="replace")

    def _over_the_cap(self) -> CellState:
        cap = numbers.seconds(self._cap)
        if self._lock is None:
            return self._close(FAILED, f"another process has held {self.cell.folder} for {cap}; end it, then retry")
        return self._close(FAILED, f"{self._name} was not done within max_minutes ({cap}); raise it, then retry")

    def _close(self, status: str, reason: str | None = None) -> CellState:
        self._end_process()
        state = CellState(status, reason, time.monotonic() - self._began)
        # A folder that another process works in is not written to.
        if self._lock is not None:
            write_state(self.cell, state)
        self.end()
        return state

    def _end_process(self) -> None:
        if self._process is not None:
            process.end(self._process)
            self._process = None
