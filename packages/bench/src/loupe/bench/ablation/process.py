"""Commands as processes of their own: with a log, a lock that they hold as long as they live, and a way to end them."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from loupe.core.printable import printable

GRACE = 5.0
"""Seconds between the polite signal to end and the other one."""
_LONGEST_REASON = 300


def take_lock(path: Path) -> int | None:
    """File descriptor of a lock on `path`; None while another process holds it. It is free once every process that has
    the descriptor has closed it or ended, in whatever way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def start(words: Sequence[str], *, log: Path, lock: int, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Run a command whose output goes to the end of `log`, in a process group of its own, holding `lock` too."""
    leash = [sys.executable, "-m", "loupe.bench.ablation.leash", str(os.getpid())]
    with log.open("ab") as stream:
        return subprocess.Popen(
            [*leash, *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=dict(env),
            start_new_session=True,
            pass_fds=(lock,),
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and everything that it started: politely, and after five seconds by force."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)
            return


def why(stage: str, code: int, said: str) -> str:
    """Why a command with exit code `code` failed, in a line: its own last words in `said`, where it had any."""
    if code < 0:
        hint = "; the machine may have run out of memory" if -code == signal.SIGKILL else ""
        return f"{stage} was ended by {signal.Signals(-code).name}{hint}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].removeprefix("loupe: error: ") if lines else f"ended with exit code {code} and said nothing"
    return f"{stage}: {printable(last)[:_LONGEST_REASON]}"


def environment(*, jobs: int) -> dict[str, str]:
    """Surroundings of a command: its share of the cores, unless OMP_NUM_THREADS says otherwise, and unbuffered output,
    so that the last line of a log is the last thing that was said."""
    share = max(1, (os.cpu_count() or 1) // jobs)
    return {"OMP_NUM_THREADS": str(share), **os.environ, "PYTHONUNBUFFERED": "1"}
