"""Looking at every image of a folder, in parallel and never twice: what is known of a file is kept in cache.jsonl.

A row of the cache holds for a file of the same path, size and time of change (and the same of its reference). Rows are
appended as they come, so that an interrupted audit goes on where it stopped. A hash of the bytes is taken only of files
that share their size with another one, and of references.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from loupe.core.records import Sample
from loupe.data.audit.cache import Cache
from loupe.data.audit.facts import Facts, Stamp, Task, look_at_all
from loupe.data.audit.folder import Seen, stamp_of
from loupe.data.processes import in_processes

_CHUNK = 16
"""Images that a process is given at a time."""

Progress = Callable[[int, int], None]


def scan(folder: Path, samples: tuple[Sample, ...], *, cache: Cache, workers: int, progress: Progress) -> Seen:
    """Rows of the data folder with the facts of all files that they name. Raises ConfigError where a process died.

    `progress(done, total)` counts files.
    """
    compared = _compared(samples)
    stamps, missing = _stamps(folder, [*compared, *filter(None, compared.values())])
    images = {name: stamps.get(other or "") for name, other in compared.items() if name in stamps}
    references = sorted({other for other in compared.values() if other in stamps})
    sizes = Counter(stamps[name].size for name in {*images, *references})
    # The references come last: where one is an image as well, its task with a hash replaces that without.
    tasks = {(stamps[name], other): sizes[stamps[name].size] > 1 for name, other in images.items()}
    tasks |= {(stamps[name], None): True for name in references}
    found = _look(
        [Task(image, reference, hashed, cache.max_pixels) for (image, reference), hashed in tasks.items()],
        cache,
        workers=workers,
        progress=progress,
    )
    facts = {name: found[stamps[name], other] for name, other in images.items()}
    return Seen(samples, facts, {name: found[stamps[name], None] for name in references}, missing)


def _compared(samples: Iterable[Sample]) -> dict[str, str | None]:
    """Reference of each image, by path; None where no row of the image has one."""
    made: dict[str, str | None] = {}
    for sample in samples:
        made[sample.image] = sample.reference or made.get(sample.image)
    return made


def _stamps(folder: Path, names: Iterable[str]) -> tuple[dict[str, Stamp], dict[str, str]]:
    """Files that are there, and those that are not with the reason, by the path of the row."""
    there: dict[str, Stamp] = {}
    missing: dict[str, str] = {}
    for name in dict.fromkeys(names):
        stamp = stamp_of(folder, name)
        if isinstance(stamp, Stamp):
            there[name] = stamp
        else:
            missing[name] = stamp
    return there, missing


def _look(
    tasks: list[Task], cache: Cache, *, workers: int, progress: Progress
) -> dict[tuple[Stamp, Stamp | None], Facts]:
    """Facts of every task, by its image and reference: from the cache where it has them, else looked at and kept."""
    # Images of one reference come one after the other, so that a process decodes it once.
    left = sorted(
        (task for task in tasks if cache.get(task) is None),
        key=lambda task: (task.reference.path if task.reference else "", task.image.path),
    )
    done = len(tasks) - len(left)
    progress(done, len(tasks))
    chunks = [left[at : at + _CHUNK] for at in range(0, len(left), _CHUNK)]
    for made in in_processes(look_at_all, chunks, workers=workers):
        cache.add(made)
        done += len(made)
        progress(done, len(tasks))
    found = {(task.image, task.reference): cache.kept[task.image, task.reference] for task in tasks}
    cache.keep_only(found)
    return found
