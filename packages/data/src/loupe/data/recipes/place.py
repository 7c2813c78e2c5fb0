"""Images come into the data folder: as hard links, which cost nothing, as copies, or reduced to a short side.

What is there already is kept, so an interrupted build goes on: a link to the same file, else a copy of the same size or
a picture of the right short side that has the time stamp of its source. Every file appears whole or not at all. A link
shares its bytes with the download: nothing in Loupe writes into an image.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from loupe.core.errors import DataError, ImageError
from loupe.core.files import inside
from loupe.core.images import open_image, write_png
from loupe.data.processes import in_processes

BATCH = 128
"""Files that one thread is given at a time."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A file of the release, and the path that it shall have in the data folder; both are absolute."""

    source: str
    target: str


def place(
    tasks: Sequence[Placement],
    *,
    root: Path,
    copy: bool,
    short_side: int | None,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Bring every file to its target. `workers` 0 is one a processor; `progress` gets files done and files in all.

    Raises DataError where a link among the files leads out of `root`, ImageError for a picture that cannot be reduced.
    """
    done = 0
    for count in _run(tasks, root=root, copy=copy, short_side=short_side, workers=workers):
        done += count
        progress(done, len(tasks))


def reduce_picture(task: Placement, *, root: str, short_side: int) -> int:
    """Write the picture with its short side at most `short_side` pixels, by Lanczos, as PNG; returns 1."""
    _check_source(task.source, root)
    target = Path(task.target)
    if _is_reduced(target, short_side, stamp=Path(task.source).stat().st_mtime_ns):
        return 1
    try:
        picture = open_image(task.source, max_pixels=200_000_000)
    except ImageError as error:
        name = Path(task.source).name
        raise ImageError(f"{error}; or leave it out with \"drop={{'{name}': damaged}}\"") from error
    factor = short_side / min(picture.size)
    if factor < 1.0:
        size = tuple(max(1, round(side * factor)) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    write_png(target, picture, compress_level=3)
    _stamp(Path(task.source), target)
    return 1


def _run(tasks: Sequence[Placement], *, root: Path, copy: bool, short_side: int | None, workers: int) -> Iterator[int]:
    if short_side is not None:
        yield from in_processes(partial(reduce_picture, root=str(root), short_side=short_side), tasks, workers=workers)
        return
    for folder in {Path(task.target).parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        yield from pool.map(partial(_bring, root=str(root), copy=copy), batches)


def _bring(tasks: Sequence[Placement], *, root: str, copy: bool) -> int:
    for task in tasks:
        source, target = _check_source(task.source, root), Path(task.target)
        if _is_there(source, target, copy=copy):
            continue
        target.unlink(missing_ok=True)
        _link_or_copy(source, target, copy=copy)
    return len(tasks)


def _link_or_copy(source: Path, target: Path, *, copy: bool) -> None:
    if not copy:
        try:
            target.hardlink_to(source)
        except OSError:
            # Another file system, or one without hard links.
            pass
        else:
            return
    part = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.part")
    try:
        shutil.copyfile(source, part)
        _stamp(source, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _check_source(source: str, root: str) -> Path:
    """The file itself, where the path is a link; it must not lie outside of the download."""
    path = Path(source)
    if not path.is_symlink():
        return path
    try:
        return inside(root, path.relative_to(root))
    except DataError as error:
        raise DataError(f"{error}; copy the file into the download, or set root to a folder that holds both") from error


def _is_there(source: Path, target: Path, *, copy: bool) -> bool:
    """Whether the target is the source by a link, or was copied from it as it is now."""
    if not target.exists():
        return False
    old, new = target.stat(), source.stat()
    if (old.st_dev, old.st_ino) == (new.st_dev, new.st_ino):
        return not copy
    return (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)


def _stamp(source: Path, target: Path) -> None:
    """Give the target the time of its source, by which the next build knows it."""
    held = source.stat()
    os.utime(target, ns=(held.st_atime_ns, held.st_mtime_ns))


def _is_reduced(target: Path, short_side: int, *, stamp: int) -> bool:
    """Whether a picture of that time is there whose short side is no larger; it came whole, so its header is enough."""
    try:
        if target.stat().st_mtime_ns != stamp:
            return False
        with Image.open(target) as picture:
            return min(picture.size) <= short_side
    except OSError:
        return False
