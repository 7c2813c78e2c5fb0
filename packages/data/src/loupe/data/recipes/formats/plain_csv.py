"""The plainest of label files: a csv with `image,mos`, and what else there may be.

Further columns, each of which may be missing or empty: std, reference (or ref), group, split, distortion, level (or
severity), dataset. Names are found in any case; `columns` of the recipe names others. An empty opinion is one that
nobody gave. Files are read in pieces, so a million rows take the memory of twenty thousand.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from loupe.core.errors import ConfigError
from loupe.data.recipes.cells import is_nothing
from loupe.data.recipes.columns import column, make_row, wanted_column
from loupe.data.recipes.formats.table import cells_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

COLUMNS = {
    "image": ("image", "img_name", "image_name", "name", "filename", "path"),
    "mos": ("mos", "score"),
    "std": ("std", "mos_std"),
    "reference": ("reference", "ref", "ref_name"),
    "group": ("group", "ref_id"),
    "split": ("split",),
    "distortion": ("distortion", "distortion_class"),
    "level": ("level", "severity"),
    "dataset": ("dataset",),
}
OPINION = ("mos", "std")


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, ConfigError, and DataError naming file and line."""
    if strange := sorted(set(recipe.columns) - set(COLUMNS)):
        raise ConfigError(f"columns names {', '.join(strange)}; this format knows {', '.join(COLUMNS)}")
    for path in files:
        spread = Spread(recipe)
        for where, cells in cells_of(path, recipe, find=partial(_find, recipe=recipe)):
            rated = not is_nothing(cells["mos"])
            known = cells if rated else {key: cell for key, cell in cells.items() if key not in OPINION}
            yield make_row(known, spread, where=where)
        spread.close(where=str(path))


def _find(names: Sequence[str], *, recipe: Recipe, where: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for meaning, usual in COLUMNS.items():
        wanted = [recipe.columns[meaning]] if meaning in recipe.columns else usual
        if meaning in recipe.columns or meaning in ("image", "mos"):
            found[meaning] = wanted_column(names, wanted, what=meaning, where=where)
        elif (there := column(names, wanted, where=where)) is not None:
            found[meaning] = there
    return found
