"""Opens every picture of a ranking once, before a model wakes: which can be read, which are copies of each other?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loupe.bench.pictures import fingerprint_of
from loupe.core.errors import ImageError, MissingFileError
from loupe.core.images import open_image
from loupe.core.printable import printable

Problem = tuple[str, str]
"""A picture as it was named, and why it cannot be ranked."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be read. `fingerprint` is of its pixels, `copies` are further files with the same ones."""

    path: Path
    fingerprint: str
    copies: tuple[Path, ...] = ()


def read_pictures(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> tuple[list[Picture], list[Problem]]:
    """Different pictures in the order of `paths`, and what could not be read."""
    files: dict[str, list[Path]] = {}
    problems: list[Problem] = []
    for number, path in enumerate(paths, start=1):
        try:
            files.setdefault(fingerprint_of(open_image(path)), []).append(path)
        except (ImageError, MissingFileError) as error:
            problems.append((str(path), str(error).removeprefix(f"{printable(str(path))}: ")))
        if progress is not None:
            progress(number, len(paths))
    return [Picture(first, name, tuple(rest)) for name, (first, *rest) in files.items()], problems
