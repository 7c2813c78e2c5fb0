"""Work on several processes of this machine, which stop with the one that started them.

`synth` makes images this way and `audit` reads them. Ctrl-C and a kill are answered at once: what was handed over is
done, the rest is left, and no process stays behind. Ours.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

import cv2

from loupe.core.errors import ConfigError

T = TypeVar("T")
R = TypeVar("R")


def start_worker() -> None:
    """What a process does first: one thread, for there is a process for each processor, and an eye on its parent."""
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def in_processes(
    work: Callable[[T], R], tasks: Sequence[T], *, workers: int, start: Callable[[], object] = start_worker
) -> Iterator[R]:
    """`work` of each task, in the order in which they are done; `workers` 0 is one a processor, 1 this process.

    `work`, tasks and results can be pickled. Raises ConfigError where a process died.
    """
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        yield from map(work, tasks)
        return
    pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=start)
    try:
        with _interrupt_withheld():
            futures = [pool.submit(work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"one of workers={count} processes died, perhaps for want of memory; "
            "run the same again to go on where it stopped, with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupt_withheld() -> Generator[None]:
    """Ctrl-C waits until the block ends, and processes started in it never see it: it is the parent's to answer."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed parent cannot tell its workers, which would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
