"""Globs over paths below a folder, with `**`, whatever the case: releases are not consistent in theirs.

pathlib's own globs heed case on most file systems, walk once a pattern, and know no list of what is to be left out.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_CLASS = re.compile(r"\[(!?)([^\]/]+)\]")


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str]:
    """One expression that matches a relative POSIX path which any of the globs matches, case ignored.

    `*`, `?` and `[1-7]` stay inside a folder, `**/` is any number of folders, and `**` at the end everything below.
    """
    return re.compile("|".join(f"(?:{_translate(pattern)})" for pattern in patterns) or r"(?!)", re.IGNORECASE)


def walk(root: Path, *, leave_out: Path | None = None) -> Iterator[str]:
    """Relative POSIX path of every file below `root`, folders in order; `leave_out` and hidden folders are not entered.

    Links to folders are not followed: they may lead out of `root`, or round in a circle. A link to nothing is no file.
    """
    skipped, waiting = None if leave_out is None else leave_out.resolve(), [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as entries:
            seen = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        yield from (prefix + entry.name for entry in seen if entry.is_file())
        waiting += [
            (entry.path, f"{prefix}{entry.name}/")
            for entry in reversed(seen)
            if entry.is_dir(follow_symlinks=False)
            and entry.name != "__MACOSX"
            and (skipped is None or entry.name != skipped.name or Path(entry.path).resolve() != skipped)
        ]


def _translate(pattern: str) -> str:
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        if pattern.startswith("**/", place):
            parts.append(r"(?:[^/]+/)*")
            place += 3
        elif pattern.startswith("**", place):
            parts.append(".*")
            place += 2
        elif (found := _CLASS.match(pattern, place)) is not None:
            parts.append(f"[{'^' if found[1] else ''}{re.escape(found[2]).replace(chr(92) + '-', '-')}]")
            place = found.end()
        else:
            letter = pattern[place]
            parts.append({"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter)))
            place += 1
    return "".join(parts) + r"\Z"
