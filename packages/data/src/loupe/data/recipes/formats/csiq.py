"""CSIQ: a workbook that names an image by its original, its damage and its level, in other words than its files do.

`1600`, `jpeg 2000`, `3` is the file `1600.jpeg2000.3.png` of `src_imgs/1600.png`. Case is left to the look-up.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loupe.data.recipes.columns import make_row
from loupe.data.recipes.formats.table import cells_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.spread import Spread

FILE_WORDS = {"noise": "AWGN", "blur": "BLUR", "jpeg": "JPEG", "jpeg 2000": "jpeg2000"}
"""Word of the workbook to that of the file names, where they differ."""


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows of csiq.DMOS.xlsx. Raises DataError naming file and row."""
    spread = Spread(recipe)
    for where, cells in cells_of(files[0], recipe):
        original, word, level = cells["image"], cells["distortion"].lower(), cells["level"]
        named = FILE_WORDS.get(word, word)
        whole = {**cells, "image": f"{original}.{named}.{level}.png", "reference": f"{original}.png"}
        yield make_row({**whole, "distortion": named}, spread, where=where)
