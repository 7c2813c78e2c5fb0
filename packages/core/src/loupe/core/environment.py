"""What a run ran on: versions, machine, hashes of what went in, and the state of the code.

Versions come from the installed packages' metadata, so nothing heavy is imported to ask for them.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loupe.core.files import sha256_files

PACKAGES = (
    "loupe-core",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "numpy",
    "opencv-python-headless",
)


def environment(*, data: Sequence[Path | str] = (), start: Path | str | None = None) -> dict[str, Any]:
    """Record of this process, ready for JSON: `data` names files to take the hash of, `start` a model folder or name.

    Raises MissingFileError where a data file is not there.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {name: _version(name) for name in PACKAGES},
        "git": git_state(Path(__file__).parent),
        "data_sha256": sha256_files(data),
        "start": None if start is None else str(start),
        "start_sha256": sha256_files(weight_files(start)),
    }


def weight_files(model: Path | str | None) -> list[Path]:
    """The `*.safetensors` of a model folder, or the file itself; none where `model` is a name and no path."""
    if model is None:
        return []
    path = Path(model)
    return [path] if path.is_file() else sorted(path.glob("*.safetensors"))


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, and whether the tree differs from it; None where `folder` holds no file that git tracks.

    A folder of installed packages inside somebody's repository is not tracked by it, so it gives None too.
    """
    if not _git(folder, "ls-files", "--", "."):
        return None
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return {"commit": commit, "dirty": bool(changes)} if commit else None


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
