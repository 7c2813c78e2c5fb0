"""Work that waits, such as requests, done by a few threads at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(items: Sequence[T], work: Callable[[T], R], *, workers: int) -> Iterator[tuple[int, R]]:
    """Place and result of each item, in the order in which they are done; `workers` items are under way at a time.

    After the first exception no item is begun; the items under way are finished, their results given, and then the
    exception is raised. A caller that stops early waits for nothing: threads die with the process.
    """
    done: Queue[tuple[int, R | None, BaseException | None]] = Queue()
    places, lock, stopped = iter(range(len(items))), threading.Lock(), threading.Event()

    def run() -> None:
        while not stopped.is_set():
            with lock:
                place = next(places, None)
            if place is None:
                break
            try:
                done.put((place, work(items[place]), None))
            except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that asked
                stopped.set()
                done.put((place, None, error))
        done.put((-1, None, None))

    running = min(workers, len(items))
    for _ in range(running):
        threading.Thread(target=run, daemon=True).start()
    failure: BaseException | None = None
    try:
        while running:
            place, result, error = done.get()
            if error is not None:
                failure = failure or error
            elif place < 0:
                running -= 1
            else:
                yield place, result  # type: ignore[misc] - a result stands wherever there is no error
    finally:
        stopped.set()
    if failure is not None:
        raise failure


def within(seconds: float, work: Callable[[], R]) -> R:
    """What `work` returns or raises. Raises TimeoutError where that takes longer: then it is left behind to end by
    itself, in a thread that dies with the process."""
    done: Queue[tuple[R | None, BaseException | None]] = Queue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that asked
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"not done after {seconds:g} s") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value] - a result stands wherever there is no error
