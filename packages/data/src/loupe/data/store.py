"""Reading a data folder: samples, evidence and rationales of a split."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import read_jsonl
from loupe.core.records import Rationale, Sample
from loupe.data.evidence import Evidence

T = TypeVar("T")


def load_samples(folder: Path, split: str) -> list[Sample]:
    """Labelled images of a split. Raises MissingFileError, and DataError for a row that is none or an id seen twice."""
    path = folder / f"{split}.jsonl"
    samples = _load(path, Sample.from_json)
    ids = Counter(sample.id for sample in samples)
    if twice := [name for name, count in ids.items() if count > 1]:
        raise DataError(f"{path}: the id {twice[0]!r} comes twice; wanted one row an image")
    return samples


def load_evidence(folder: Path, split: str) -> list[Evidence]:
    """Measured views of a split of synthetic images. Raises MissingFileError, DataError."""
    return _load(folder / "evidence" / f"{split}.jsonl", Evidence.from_json)


def load_rationales(folder: Path, split: str) -> list[Rationale]:
    """Grounded rationales of a split. Raises MissingFileError, DataError."""
    return _load(folder / "rationales" / f"{split}.jsonl", Rationale.from_json)


def _load(path: Path, make: Callable[[dict[str, Any]], T]) -> list[T]:
    if not path.is_file():
        raise MissingFileError(
            f"no {path}; make the folder with `loupe data synth` or `loupe data build`, or name another one"
        )
    rows = read_jsonl(path)
    try:
        return [make(row) for row in rows]
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path}: a row does not fit ({error}); was the file made by another version?") from error
