"""Annotation files of Zoom-IQA's evaluator: a JSON list of `id`, `image` (or `img_path`), `gt_score`, `conversations`.

The form is DeQA-Score's without deviations; the question, which may hold `<|image|>`, is another project's words and is
not read. A JSON list is read whole.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loupe.data.recipes.cells import first_of, name, number
from loupe.data.recipes.json_rows import json_objects
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.split_name import split_in_name


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, and DataError naming file and row."""
    for path, where, row in json_objects(files):
        image = row.get("image") or first_of(row, "img_path", "image", where=where)
        yield LabelRow(
            image=name(image, what="image", where=where),
            mos=number(first_of(row, "gt_score", where=where), what="gt_score", where=where),
            split=split_in_name(path),
        )
