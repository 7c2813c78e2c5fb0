"""The few fixed images that a training watches: small copies of them in its run folder, for whoever shows its episodes.

`episodes.jsonl` says what the agent said about them; a report that is made elsewhere, or when the data is gone, shows
them too. Copies are small enough to keep and large enough to see what is wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.core.errors import DataError
from loupe.core.files import inside, read_json, write_json
from loupe.core.images import write_png
from loupe.core.records import Sample

FOLDER, INDEX = "watched", "index.json"
SIDE = 448
"""Longest side of a copy in pixels; a larger image is reduced."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A watched image: its label, and the path of its copy."""

    sample: Sample
    path: Path


def keep_watched(run: Path, images: Iterable[tuple[Sample, Image.Image]]) -> None:
    """Write the copies as PNG into `run`/watched, with an index; whatever was there is replaced."""
    rows: list[dict[str, Any]] = []
    for number, (sample, image) in enumerate(images):
        small = image.copy()
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        rows.append({"file": f"{number:03d}.png", "sample": sample.to_json()})
        write_png(run / FOLDER / rows[-1]["file"], small)
    write_json(run / FOLDER / INDEX, {"images": rows})


def read_watched(run: Path) -> list[Watched]:
    """The watched images of a run folder; none where it kept none. Raises DataError for an index of another form."""
    path = run / FOLDER / INDEX
    if not path.is_file():
        return []
    try:
        rows: list[dict[str, Any]] = read_json(path)["images"]
        return [Watched(Sample.from_json(row["sample"]), inside(run / FOLDER, row["file"])) for row in rows]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: a row does not fit ({error}); was it made by another version?") from error
