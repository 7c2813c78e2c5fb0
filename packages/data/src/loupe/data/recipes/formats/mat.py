"""MATLAB's files of LIVE and LIVE in the Wild: arrays of numbers and cells of names, read by scipy.

Both releases put names and opinions into separate files that only their order joins, so lengths are checked first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from loupe.core.errors import DataError
from loupe.data.recipes.cells import number
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import on_mos_scale

LIVE_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""Folders of LIVE release 2 in the order of its arrays, with the number of images in each: img1.bmp and on."""


def read_challenge(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """LIVE in the Wild: AllImages, AllMOS and AllStdDev_release.mat. Raises DataError."""
    names = [_word(cell) for cell in _array(files[0], "AllImages_release")]
    mos, stds = _array(files[1], "AllMOS_release"), _array(files[2], "AllStdDev_release")
    _same_length({str(files[0]): len(names), str(files[1]): len(mos), str(files[2]): len(stds)})
    for name, value, std in zip(names, mos, stds, strict=True):
        yield LabelRow(
            name,
            mos=number(value, what="mos", where=f"{files[1]}, {name}"),
            mos_std=on_mos_scale(float(std), recipe, where=f"{files[2]}, {name}"),
        )


def read_live(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """LIVE release 2: dmos.mat or dmos_realigned.mat, then refnames_all.mat. Copies of originals are marked by orgs.

    Raises DataError where arrays differ in length, and where there are not as many images as the folders hold.
    """
    variable = recipe.columns["mos"]
    dmos, orgs = _array(files[0], variable), _array(files[0], "orgs")
    stds = _array(files[0], recipe.columns["std"]) if recipe.std != "none" else None
    references = [_word(cell) for cell in _array(files[1], "refnames_all")]
    names = _live_names(recipe)
    _same_length({variable: len(dmos), "orgs": len(orgs), "refnames_all": len(references), "folders": len(names)})
    for place, (name, reference) in enumerate(zip(names, references, strict=True)):
        copy = "a copy of its original, which has no opinions of its own (orgs is 1)" if int(orgs[place]) else None
        where = f"{files[0]}, {name}"
        mos = number(dmos[place], what=variable, where=where)
        row = LabelRow(name, mos, reference=reference, distortion=_folder(name), left_out=copy)
        yield row if stds is None else replace(row, mos_std=on_mos_scale(float(stds[place]), recipe, where=where))


def _folder(name: str) -> str:
    return name.partition("/")[0]


def _live_names(recipe: Recipe) -> list[str]:
    """Image of each place of the arrays; `options.folders` replaces the release's own counts."""
    folders: dict[str, int] = recipe.options.get("folders") or LIVE_FOLDERS
    return [f"{folder}/img{number}.bmp" for folder, count in folders.items() for number in range(1, count + 1)]


def _array(path: Path, variable: str) -> Any:
    """One array of a .mat file, flat. Raises DataError."""
    import scipy.io  # pyright: ignore[reportMissingTypeStubs]

    scipy_io: Any = scipy.io
    try:
        held: dict[str, Any] = scipy_io.loadmat(str(path), variable_names=[variable])
    except (scipy_io.matlab.MatReadError, ValueError, OSError, NotImplementedError, TypeError, LookupError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as a MATLAB file ({reason}); download it again") from error
    if variable not in held:
        raise DataError(f"{path}: no array {variable}; wanted the file of the release")
    return cast(Any, np.asarray(held[variable])).ravel()


def _word(cell: Any) -> str:
    """The text in a cell, which scipy gives as an array in an array."""
    while hasattr(cell, "ravel") and getattr(cell, "ndim", 0):
        parts: list[Any] = list(cell.ravel())
        if len(parts) != 1:
            return "".join(map(str, parts))
        cell = parts[0]
    return str(cell)


def _same_length(lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"the arrays of the release differ in length ({shown}); wanted one entry an image in each")
