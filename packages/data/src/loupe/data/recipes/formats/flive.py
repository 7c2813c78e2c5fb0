"""FLIVE (PaQ-2-PiQ): whole images and patches of them; the split stands in two other files, by image.

labels640.csv lists the test images; in `labels=640_padded.csv` the column is_valid marks those of validation; all
others are for training. A patch goes where its parent goes, for it shows the same pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from loupe.core.errors import DataError
from loupe.data.recipes.columns import find_columns, wanted_column
from loupe.data.recipes.formats.table import cells_of
from loupe.data.recipes.formats.table import read as read_table
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

_PATCH = "_patch_"


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of labels_image.csv (and labels_patch.csv before the last two files), with split and, as group, the parent.

    Raises DataError where no row is for the test, as where the names of the files do not fit.
    """
    *labels, tests, padded = files
    test = {parent_of(cells["image"]) for _, cells in cells_of(tests, _split_columns())}
    flags = cells_of(padded, _split_columns(), find=_with_flag)
    valid = {parent_of(cells["image"]) for _, cells in flags if cells["is_valid"].lower() in ("true", "1")}
    found = False
    for row in read_table(labels, recipe):
        parent = parent_of(row.image)
        split = "test" if parent in test else "validation" if parent in valid else "training"
        found = found or split == "test"
        yield replace(row, group=parent, split=split)
    if not found:
        raise DataError(f"{tests}: none of its images is in {labels[0].name}; wanted the files of one release")


def parent_of(name: str) -> str:
    """What an image and its patches share: the file name without folder, ending and patch number."""
    return PurePosixPath(PurePosixPath(name).name.partition(_PATCH)[0]).stem


def _split_columns() -> Recipe:
    return Recipe(name="flive", columns={"image": "name_image"})


def _with_flag(names: Sequence[str], *, where: str) -> dict[str, int]:
    flag = wanted_column(names, ["is_valid"], what="is_valid", where=where)
    return {**find_columns(names, _split_columns(), where=where), "is_valid": flag}
