"""Where the files of a row are, and by which names they go in the data folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.recipes.index import ImageIndex, index_images
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

    def __init__(self, recipe: Recipe, *, out: Path) -> None:
        self._files = recipe.place != "none"
        root = Path(recipe.root)
        empty = ImageIndex(())
        self.images = index_images(root, recipe.images, leave_out=out) if self._files else empty
        apart = self._files and bool(recipe.references)
        self._references = index_images(root, recipe.references, leave_out=out) if apart else self.images

    def find(self, row: LabelRow) -> Found:
        """Raises DataError for a name that fits several files, or that leads upwards."""
        if not self._files:
            return Found(row.image, row.reference)
        reference = None if row.reference is None else self._references.find(row.reference)
        return Found(self.images.find(row.image), reference)


def target(name: str, path: str, *, folder: str, recipe: Recipe) -> str:
    """Path in the data folder of a file that a label calls `name` and that lies at `path` below root.

    The folders are the label's, so that `a/1.jpg` and `b/1.jpg` stay apart; the spelling of the file is its own.
    """
    folders = _parts(name)[:-1]
    if ".." in folders:
        raise DataError(f"{printable(name)[:120]!r} leads upwards; wanted a path below root")
    own = path.rpartition("/")[2]
    if recipe.short_side is not None:
        own = without_ending(own) + ".png"
    return "/".join((folder, *folders, own))


def sample_id(name: str, *, dataset: str) -> str:
    """Id of the image that a label file calls `name`: the data set and the path without its ending, one word."""
    return f"{dataset}-{_UNSAFE.sub('_', '_'.join(_parts(without_ending(name))))}"


def group_of(row: LabelRow) -> str | None:
    """What the row's image shares with others: its original's name without folder and ending, or its group."""
    if row.reference is not None:
        return _parts(without_ending(row.reference))[-1]
    return row.group


def without_ending(name: str) -> str:
    """A path without its last `.png` or the like; a number after the last point (`1600.AWGN.1`) is part of the name."""
    stem, point, ending = name.rpartition(".")
    return stem if point and stem and ending.isalpha() else name


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")] or [name]
