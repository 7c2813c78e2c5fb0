"""Training rows of VisualQuality-R1 (arXiv 2505.14460), one JSON object a line.

`id` (counted from 1), `dataset_name`, `image` (a list with one file name, or the name), and `conversations`, of which
the last turn from `gpt` holds the opinion on 1..5: a number, or text with it inside `<answer>`. The question is another
project's words and is not read. Files are read line by line.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError
from loupe.data.recipes.cells import first_of, name, number, optional_name, shown
from loupe.data.recipes.json_rows import json_objects
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.split_name import split_in_name

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, and DataError naming file and row."""
    for path, where, row in json_objects(files):
        yield LabelRow(
            image=_image(first_of(row, "image", where=where), where=where),
            mos=opinion(first_of(row, "conversations", where=where), where=where),
            dataset=optional_name(row.get("dataset_name"), what="dataset_name", where=where),
            split=split_in_name(path),
        )


def opinion(turns: Any, *, where: str) -> float:
    """The number in the last turn from `gpt`. Raises DataError where there is none."""
    said = [
        cast(dict[str, Any], turn).get("value")
        for turn in (cast(list[Any], turns) if isinstance(turns, list) else [])
        if isinstance(turn, dict) and cast(dict[str, Any], turn).get("from") == "gpt"
    ]
    if not said:
        raise DataError(f"{where}: conversations hold no turn from gpt with the opinion; wanted one")
    value = said[-1]
    inside = ANSWER.findall(value) if isinstance(value, str) else []
    return number(inside[-1] if inside else value, what="the value of gpt", where=where)


def _image(value: Any, *, where: str) -> str:
    found = cast(list[Any], value) if isinstance(value, list) else [value]
    if len(found) != 1:
        raise DataError(f"{where}: image is {shown(value)}; wanted one file name, for the row holds one opinion")
    return name(found[0], what="image", where=where)
