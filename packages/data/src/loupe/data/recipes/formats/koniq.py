"""KonIQ-10k: opinions with the counts that they come from, and the official split, which may stand in a second file.

One csv has MOS on 1-5 beside the z-score on about 1-100; the other has MOS on the z-score's scale, yet SD on 1-5. The
share of opinions on each of the five levels is there in both: their mean is the MOS on 1-5, which tells the scales
apart, whatever a column is called.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from loupe.core.errors import DataError
from loupe.data.recipes.cells import number
from loupe.data.recipes.columns import find_columns, make_row, wanted_column
from loupe.data.recipes.formats.table import cells_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

COUNTS = ("c1", "c2", "c3", "c4", "c5")
TOLERANCE = 0.02
"""How far MOS may be from the mean of the counts, in points of 1-5: the fractions are rounded."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of the first file; with the `set` of the second one, if there is one.

    `options.opinions` gives the counted shares as `level_probs`. Raises DataError where a MOS on 1-5 is not the mean of
    its counts, where every MOS on another scale is, and where the second file lacks an image of the first.
    """
    sets = _sets(files[1]) if len(files) > 1 else None
    spread, five, others = Spread(recipe), recipe.scale_max == 5.0, 0
    for where, cells in cells_of(files[0], recipe, find=partial(_find, recipe=recipe)):
        row, shares = make_row(cells, spread, where=where), _shares(cells, where=where)
        mean = sum(level * share for level, share in zip(range(1, 6), shares, strict=True))
        other = abs(mean - row.mos) > TOLERANCE
        others += other
        if five and other:
            raise DataError(
                f"{where}: MOS is {row.mos}, but its counts have the mean {mean:.3f} on 1-5; this column is on "
                "another scale: take flavour=zscore or flavour=sets"
            )
        probs = tuple(reversed(shares)) if recipe.options.get("opinions") else None
        split = _set_of(row.image, sets, where=where) if sets is not None else row.split
        yield replace(row, level_probs=probs, split=split)
    if not five and not others:
        raise DataError(
            f"{files[0]}: every MOS is the mean of its counts, so it is on 1-5, not on "
            f"{recipe.scale_min:g}-{recipe.scale_max:g}; set scale_max=5 and std_scale=null in the flavour"
        )


def _find(names: Sequence[str], *, recipe: Recipe, where: str) -> dict[str, int]:
    counts = {name: wanted_column(names, [name], what=name, where=where) for name in COUNTS}
    return find_columns(names, recipe, where=where) | counts


def _shares(cells: dict[str, str], *, where: str) -> list[float]:
    """Shares of opinions on 1..5, from counts or from fractions."""
    counts = [number(cells[name], what=name, where=where) for name in COUNTS]
    total = sum(counts)
    if min(counts) < 0.0 or total <= 0.0:
        raise DataError(f"{where}: c1..c5 are {counts}; wanted counts or fractions of opinions")
    return [count / total for count in counts]


def _sets(path: Path) -> dict[str, str]:
    plain = Recipe(name="koniq-10k", columns={"image": "image_name", "split": "set"})
    return {cells["image"]: cells["split"] for _, cells in cells_of(path, plain)}


def _set_of(image: str, sets: dict[str, str], *, where: str) -> str:
    if image not in sets:
        raise DataError(f"{where}: {image} is in no set of the second file; wanted the two csv files of one release")
    return sets[image]
