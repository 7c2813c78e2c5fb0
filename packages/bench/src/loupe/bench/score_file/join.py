"""Which prediction belongs to which image: by id, path, file name or stem, and never by a guess between two.

Each row is looked up in steps, from the strictest one to the loosest: the id or path as it stands, the file name with
its folder, the file name, the stem without its ending, each of them exactly and then without regard to case. The first
step at which any of the row's names is known decides, and where two images answer to that name the row has no match:
`a/1.png` and `b/1.png` are never mixed up over their file name. Nor does a row that has a folder get an image by its
file name alone where another row names that image with its folder: a file about a whole data set can be scored on a
split of it. Ours.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from loupe.bench.score_file.rows import Row
from loupe.core.errors import DataError
from loupe.core.records import Sample


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows with their images, in the order of the file, and what has no partner: names of the file that are no image of
    the data or could be several, and images that the file does not rate."""

    pairs: list[tuple[Row, Sample]]
    unknown: list[str]
    ambiguous: list[str]
    unrated: list[str]


def join(rows: Sequence[Row], samples: Sequence[Sample]) -> Joined:
    """Raises DataError where two rows rate the same image, by whatever names."""
    lookups = [(step, _lookup(samples, step)) for step in _STEPS]
    found = [(row, *_find(row, lookups)) for row in rows]
    by_folder = {images[0].id for _, step, images in found if step in _WITH_FOLDER and len(images) == 1}
    pairs: list[tuple[Row, Sample]] = []
    unknown: list[str] = []
    ambiguous: list[str] = []
    for row, step, images in found:
        elsewhere = step not in _WITH_FOLDER and all("/" in _plain(key) for key in row.keys)
        left = [image for image in images if not (elsewhere and image.id in by_folder)]
        if len(left) == 1:
            pairs.append((row, left[0]))
        else:
            (ambiguous if left else unknown).append(row.keys[0])
    _refuse_twins(pairs)
    rated = {sample.id for _, sample in pairs}
    return Joined(pairs, unknown, ambiguous, [sample.id for sample in samples if sample.id not in rated])


def _find(
    row: Row, lookups: Sequence[tuple[Callable[[str], str], dict[str, list[Sample]]]]
) -> tuple[Callable[[str], str] | None, list[Sample]]:
    """The first step that knows any image, and the images; several where a name could be each of them."""
    for step, known in lookups:
        found = {sample.id: sample for key in row.keys for sample in known.get(step(_plain(key)), ())}
        if found:
            return step, list(found.values())
    return None, []


def _lookup(samples: Sequence[Sample], step: Callable[[str], str]) -> dict[str, list[Sample]]:
    known: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        for key in {step(_plain(name)) for name in (sample.id, sample.image)} - {""}:
            known[key].append(sample)
    return known


def _refuse_twins(pairs: Sequence[tuple[Row, Sample]]) -> None:
    seen: dict[str, Row] = {}
    for row, sample in pairs:
        if other := seen.get(sample.id):
            raise DataError(
                f"rows {other.place} ({other.keys[0]!r:.60}) and {row.place} ({row.keys[0]!r:.60}) both rate image "
                f"{sample.id!r}; wanted one row an image"
            )
        seen[sample.id] = row


def _plain(name: str) -> str:
    return name.strip().replace("\\", "/")


def _whole(name: str) -> str:
    return name


def _folder(name: str) -> str:
    """The file name with the folder that it lies in; a bare name is no such thing."""
    return "/".join(PurePosixPath(name).parts[-2:]) if "/" in name else ""


def _file(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _whole_any_case(name: str) -> str:
    return name.casefold()


def _folder_any_case(name: str) -> str:
    return _folder(name).casefold()


def _file_any_case(name: str) -> str:
    return _file(name).casefold()


def _stem_any_case(name: str) -> str:
    return _stem(name).casefold()


_STEPS: tuple[Callable[[str], str], ...] = (
    _whole,
    _whole_any_case,
    _folder,
    _folder_any_case,
    _file,
    _file_any_case,
    _stem,
    _stem_any_case,
)
_WITH_FOLDER = _STEPS[:4]
