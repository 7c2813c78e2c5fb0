"""What does not fit together: rows without a file, files without a row, counts that are not those of the release.

Nothing is dropped in silence: every name goes into gaps.txt of the data folder, the counts into the manifest, and the
command ends with another exit code than 0.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from loupe.core.numbers import count
from loupe.core.printable import printable

SHOWN = 5
FILE = "gaps.txt"


@dataclass
class Gaps:
    """Counts and first names of what is missing and extra, and sentences about the rest.

    As a context, it takes its unfinished list away where the work in it failed.
    """

    folder: Path
    part: bool = False
    """Whether the labels are those of a part, so that files which no row names are listed and no gap."""
    counts: dict[str, int] = field(default_factory=lambda: {"missing": 0, "missing references": 0, "extra": 0})
    first: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    remarks: list[str] = field(default_factory=list[str])
    """What the release should hold and does not: one sentence each."""

    def __post_init__(self) -> None:
        self._part = self.folder / f".{FILE}.{secrets.token_hex(4)}.part"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.unlink(missing_ok=True)

    def add(self, kind: str, name: str) -> None:
        """Note one name; all go to the file, the first few are kept."""
        self.counts[kind] += 1
        names = self.first.setdefault(kind, [])
        if len(names) < SHOWN:
            names.append(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._part.open("a", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(f"{kind}\t{printable(name)}\n")

    def remark(self, sentence: str) -> None:
        """Note that the release is not what the recipe expects."""
        self.remarks.append(sentence)

    def close(self) -> None:
        """Give the list its name, or remove an old one where there is nothing to list."""
        if self._part.exists():
            self._part.replace(self.folder / FILE)
        else:
            (self.folder / FILE).unlink(missing_ok=True)

    def __bool__(self) -> bool:
        gaps = {**self.counts, "extra": 0} if self.part else self.counts
        return any(gaps.values()) or bool(self.remarks)

    def sentence(self) -> str:
        """All in one line."""
        parts = [
            f"{count(number)} {kind} ({', '.join(map(printable, self.first[kind][:3]))}{', …' if number > 3 else ''})"
            for kind, number in self.counts.items()
            if number
        ]
        return "; ".join([*parts, *self.remarks])
