"""Starts a command that dies when its starter dies: `python -m loupe.bench.ablation.leash STARTER WORDS...`.

A runner that is killed with -9 cannot end its children. On Linux the kernel does it (prctl, PR_SET_PDEATHSIG), and the
wish survives the exec of the command. It is made here, in the child, because code between fork and exec of a program
with threads may hang. Elsewhere the command lives on as an orphan; the lock on its cell keeps a second runner off.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command of the line, unless the starter has gone already."""
    starter, *words = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(starter):
            sys.exit("the runner has ended; run it again")
    os.execvp(words[0], words)  # noqa: S606 - words from a plan, and no shell


if __name__ == "__main__":
    main()
