"""Where the files of a row are, and by which names they go in the data folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.recipes.index import index_images, parts_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

_UNSAFE = re.compile(r"[^\w.()+@-]")
IMAGES, REFERENCES = "images", "references"


@dataclass(frozen=True, slots=True)
class Found:
    """Paths of a row's image and reference relative to root; None where there is no such file."""

    image: str | None
    reference: str | None


class Locator:
    """Looks up the files of rows; without files (`place: none`) every name is taken as it is."""

    def __init__(self, recipe: Recipe, files: Sequence[str]) -> None:
        """`files` are the relative paths of the release."""
        self._files = recipe.place != "none"
        self.images = index_images(files if self._files else (), recipe.images)
        self._references = index_images(files, recipe.references) if recipe.references else self.images

    def find(self, row: LabelRow) -> Found:
        """Raises DataError for a name that fits several files, or that leads upwards."""
        if not self._files:
            return Found(row.image, row.reference)
        reference = None if row.reference is None else self._references.find(row.reference)
        return Found(self.images.find(row.image), reference)


def target(name: str, path: str, *, folder: str, recipe: Recipe) -> str:
    """Path in the data folder of a file that a label calls `name` and that lies at `path` below root.

    The folders are the label's, so that `a/1.jpg` and `b/1.jpg` stay apart; the spelling of the file is its own.
    Raises DataError for a name that no label file in UTF-8 can hold.
    """
    folders, own = parts_of(name)[:-1], path.rpartition("/")[2]
    if not own.isascii() and any("\ud800" <= letter <= "\udfff" for letter in own + name):
        raise DataError(f"the file name {printable(path)} is not UTF-8; rename the file, and its row in the labels")
    if recipe.short_side is not None:
        own = without_ending(own) + ".png"
    return "/".join((folder, *folders, own))


def sample_id(name: str, *, dataset: str) -> str:
    """Id of the image that a label file calls `name`: the data set and the path without its ending, one word."""
    return f"{dataset}-{_UNSAFE.sub('_', '_'.join(parts_of(without_ending(name))))}"


def group_of(row: LabelRow) -> str | None:
    """What the row's image shares with others: its original's name without folder and ending, or its group."""
    if row.reference is not None:
        return _stem(row.reference)
    return row.group


def without_ending(name: str) -> str:
    """A path without its last `.png` or the like; a number after the last point (`1600.AWGN.1`) is part of the name."""
    stem, point, ending = name.rpartition(".")
    return stem if point and stem and ending.isalpha() else name


@lru_cache(maxsize=4096)
def _stem(reference: str) -> str:
    return (parts_of(without_ending(reference)) or [reference])[-1]
