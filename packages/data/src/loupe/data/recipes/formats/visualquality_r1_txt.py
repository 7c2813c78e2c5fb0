"""Opinion lists of VisualQuality-R1 (arXiv 2505.14460): `[ref] dis mos [std]`, blanks between, no header.

What the three words of a row mean is told from the first row: a number in second place is the opinion. In the lists
that come with the paper opinions were stretched to 1..5 or 0..100 and deviations left as they were measured, so the
recipe must name the scale of each (`scale_min`, `scale_max`, `std_scale`). Lists are read line by line. File names with
blanks cannot be written in this form.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from loupe.core.errors import DataError, MissingFileError
from loupe.data.recipes.cells import number, shown
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.split_name import split_in_name
from loupe.data.recipes.spread import Spread

FORMS = {"image mos": 2, "image mos std": 3, "reference image mos": 3, "reference image mos std": 4}


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, and DataError naming file and line."""
    for path in files:
        spread, words = Spread(recipe), list[str]()
        for where, cells in _lines(path):
            words = words or form(cells, where=where).split()
            if len(cells) != len(words):
                raise DataError(f"{where}: {shown(' '.join(cells))}; wanted {' '.join(words)}, as in the first line")
            row = dict(zip(words, cells, strict=True))
            mos = number(row["mos"], what="mos", where=where)
            deviation = number(row["std"], what="std", where=where) if "std" in row else None
            yield LabelRow(
                image=row["image"],
                mos=mos,
                mos_std=spread.std(deviation, mos, where=where),
                reference=row.get("reference"),
                split=split_in_name(path),
            )
        spread.close(where=str(path))


def form(cells: Sequence[str], *, where: str) -> str:
    """What the words of a row mean: one of FORMS. Raises DataError."""
    if len(cells) == 3:
        return "image mos std" if _is_number(cells[1]) else "reference image mos"
    for words, count in FORMS.items():
        if count == len(cells) != 3:
            return words
    raise DataError(f"{where}: {shown(' '.join(cells))}; wanted one of: {'; '.join(FORMS)}")


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    if not path.is_file():
        raise MissingFileError(f"no label file {path}; check root and labels of the recipe")
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
        for place, line in enumerate(stream, 1):
            if line.strip():
                yield f"{path}, line {place}", line.split()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
