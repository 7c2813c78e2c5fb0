"""`loupe bench` on a small batch: prints every way with its ratio."""

import subprocess
import sys


def test_the_rewards_are_timed_and_compared() -> None:
    words = [sys.executable, "-m", "loupe.cli.main", "bench", "rewards", "--images", "8", "--samples", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("vectorised", "loop, formula by formula", "loop over plain floats", "times ours"):
        assert name in done.stdout
