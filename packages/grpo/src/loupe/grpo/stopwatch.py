"""Seconds of the parts of a step; on a GPU the queue is emptied first, so that a part is charged what it asked for."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up seconds by the name of a part. Parts do not contain each other."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Charge what happens inside to `part`."""
        started = self.now()
        try:
            yield
        finally:
            self._seconds[part] += self.now() - started

    def split(self, started: float) -> dict[str, float]:
        """Seconds since `started` (of `now`), as figures for a log: of each part, and as `backward` what is left."""
        parts = self.lap()
        parts["backward"] = self.now() - started - sum(parts.values())
        return {f"seconds/{part}": seconds for part, seconds in parts.items()}

    def lap(self) -> dict[str, float]:
        """Seconds of each part since the last lap."""
        seconds = dict(self._seconds)
        self._seconds.clear()
        return seconds

    def now(self) -> float:
        """Seconds of a clock that never goes back, once all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
