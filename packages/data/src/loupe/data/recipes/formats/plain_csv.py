"""The plainest of label files: a csv with `image,mos`, and what else there may be.

Further columns, each of which may be missing or empty: std, reference (or ref), group, split, distortion, level (or
severity), dataset. Names are found in any case; `columns` of the recipe names others. An empty opinion is one that
nobody gave. Files are read in pieces, so a million rows take the memory of twenty thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loupe.core.errors import ConfigError
from loupe.data.recipes.interchange.cells import damage, name, optional_name, optional_number
from loupe.data.recipes.interchange.spread import Spread
from loupe.data.recipes.interchange.table_rows import column, table_rows, wanted_column
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

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


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, ConfigError, and DataError naming file and line."""
    if strange := sorted(set(recipe.columns) - set(COLUMNS)):
        raise ConfigError(f"columns names {', '.join(strange)}; this format knows {', '.join(COLUMNS)}")
    for path in files:
        spread, places = Spread(recipe), dict[str, str]()
        for where, cells in table_rows([path]):
            places = places or _places(cells, recipe, where=where)
            yield _row({meaning: cells[place] for meaning, place in places.items()}, spread, where=where)
        spread.close(where=str(path))


def _places(cells: Mapping[str, str], recipe: Recipe, *, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for meaning, names in COLUMNS.items():
        if meaning in recipe.columns:
            found[meaning] = wanted_column(cells, [recipe.columns[meaning]], what=meaning, where=where)
        elif meaning in ("image", "mos"):
            found[meaning] = wanted_column(cells, names, what=meaning, where=where)
        elif there := column(cells, names, where=where):
            found[meaning] = there
    return found


def _row(cells: Mapping[str, str], spread: Spread, *, where: str) -> LabelRow:
    mos = optional_number(cells["mos"], what="mos", where=where)
    deviation = optional_number(cells.get("std"), what="std", where=where)
    word, level = optional_name(cells.get("distortion"), what="distortion", where=where), None
    if cells.get("level"):
        word, level = damage(word, cells["level"], where=where)
    return LabelRow(
        image=name(cells["image"], what="image", where=where),
        mos=float("nan") if mos is None else mos,
        mos_std=None if mos is None else spread.std(deviation, mos, where=where),
        reference=optional_name(cells.get("reference"), what="reference", where=where),
        group=optional_name(cells.get("group"), what="group", where=where),
        split=optional_name(cells.get("split"), what="split", where=where),
        distortion=word,
        level=level,
        dataset=optional_name(cells.get("dataset"), what="dataset", where=where),
    )
