"""What is known of files from an earlier audit, so that the next one is quick and an interrupted one goes on.

A row holds for a file of the same path, size and time of change (and the same of its reference), under the same limit
of pixels. Rows are appended as they come. The file may be removed at any time; rows of another form are passed over.
"""

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from loupe.core.errors import DataError
from loupe.core.files import append_jsonl, read_jsonl, write_jsonl
from loupe.data.audit.facts import SIDE, Facts, Stamp, Task

Key = tuple[Stamp, Stamp | None]
_FORM = 1
"""Number of the form of a row and of what its figures mean."""


class Cache:
    """Facts by image and reference, backed by a file of JSON Lines. Raises DataError where it is another one."""

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self._path, self._made = path, {"form": _FORM, "side": SIDE, "max_pixels": max_pixels}
        self.kept: dict[Key, Facts] = {}
        self._rows = 0
        for row in _rows(path):
            if row.get("made") == self._made:
                self._read(row.get("images"))
            self._rows += 1

    def get(self, task: Task) -> Facts | None:
        """What is known of the image of a task; None where that is nothing, or lacks the hash that is wanted.

        Problems are looked at again: they are few, and a disk that was away may be back.
        """
        facts = self.kept.get((task.image, task.reference))
        if facts is None or facts.problem or (task.hashed and facts.sha256 is None):
            return None
        return facts

    def add(self, made: Iterable[Facts]) -> None:
        """Note facts, and write them down before the next ones are made."""
        new = list(made)
        append_jsonl(self._path, {"made": self._made, "images": [facts.to_json() for facts in new]})
        self.kept |= {(facts.image, facts.reference): facts for facts in new}
        self._rows += 1

    def keep_only(self, wanted: Container[Key]) -> None:
        """Drop what is known of other files, and what was written twice, from the file too."""
        kept = {key: facts for key, facts in self.kept.items() if key in wanted}
        if len(kept) < len(self.kept) or self._rows > len(kept):
            write_jsonl(self._path, ({"made": self._made, "images": [facts.to_json()]} for facts in kept.values()))
            self._rows = len(kept)
        self.kept = kept

    def _read(self, images: Any) -> None:
        try:
            for facts in map(Facts.from_json, images):
                self.kept[facts.image, facts.reference] = facts
        except (TypeError, KeyError):
            # Of another form: these images are looked at again.
            return


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return read_jsonl(path) if path.is_file() else []
    except DataError as error:
        raise DataError(f"{error}; the cache of an audit may be removed at any time") from error
