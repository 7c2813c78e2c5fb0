"""Labels of DiffIQA (A-FINE, CVPR 2025): is a restored picture better than the one that it was made from?

As given, one JSON file a rater and a picture, `label/RATER/01/x_01.json` with the label Positive, Similar or Negative
of x_01 against x; three raters, of whom the majority counts. Where all three differ there is no majority: A-FINE leaves
such pictures out, and so does this reader, with their number in the notes. As processed, `Triplet.txt`:
`x1,x2,y,s12,s1y,s2y`, 1 where the first of the two is better, 0.5 where they are alike, 0 where the second is; y is the
reference, and x2 may be y itself. That 1.5 million triplets fit, they are read line by line.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError
from loupe.core.records import CHOICES
from loupe.data.recipes.cells import shown
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import PairRow
from loupe.data.recipes.split_name import split_in_folders

LABELS: dict[str, str] = dict(zip(("positive", "negative", "similar"), CHOICES, strict=True))
"""What a rater says of the restored picture, first of the two, against its original."""
SCORES = {1.0: CHOICES[0], 0.0: CHOICES[1], 0.5: CHOICES[2]}
RATERS = 3
SUFFIX = ".png"


def read_labels(files: Sequence[Path], recipe: Recipe) -> Iterator[PairRow]:
    """A pair for each picture with a majority: the picture first, its original second and as the reference.

    Raises DataError for a picture without three raters, and for a label that is none.
    """
    by_picture: dict[str, list[Path]] = {}
    for path in files:
        by_picture.setdefault(path.stem, []).append(path)
    undecided = 0
    for picture, paths in sorted(by_picture.items()):
        said = Counter(_label(path) for path in paths)
        if len(paths) != RATERS:
            raise DataError(f"{paths[0]}: {picture} has {len(paths)} raters; wanted {RATERS}")
        (choice, votes), original = said.most_common(1)[0], picture.rpartition("_")[0]
        if not original:
            raise DataError(f"{paths[0]}: wanted a name such as x_01.json, for a picture made from x")
        if votes * 2 > RATERS:
            yield PairRow(picture + SUFFIX, original + SUFFIX, choice, original + SUFFIX, split_in_folders(paths[0]))
        else:
            undecided += 1
    note = f"{undecided} pictures are left out: each of their {RATERS} raters said something else."
    if undecided and note not in recipe.notes:
        recipe.notes.append(note)


def read_triplets(files: Sequence[Path], recipe: Recipe) -> Iterator[PairRow]:
    """Pairs with their reference, in file order. Raises DataError for a line that contradicts itself."""
    for path in files:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield _triplet(line, split=split_in_folders(path), where=f"{path}, line {number}")


def _triplet(line: str, *, split: str | None, where: str) -> PairRow:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) not in (4, 6) or not all(cells):
        raise DataError(f"{where}: {shown(line.strip())}; wanted x1,x2,y,s12 or x1,x2,y,s12,s1y,s2y")
    first, second, original = cells[:3]
    values = [_score(score, where=where) for score in cells[3:]]
    if len(values) == 3 and values[1] != values[2] and values[0] != float(values[1] > values[2]):
        raise DataError(
            f"{where}: {shown(line.strip())}: x1 against x2 is not what both against y say; check the order"
        )
    return PairRow(first, second, SCORES[values[0]], original, split)


def _score(word: str, *, where: str) -> float:
    try:
        found = float(word)
    except ValueError:
        found = -1.0
    if found not in SCORES:
        raise DataError(f"{where}: a score of {shown(word)}; wanted 1, 0.5 or 0")
    return found


def _label(path: Path) -> str:
    try:
        found: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({str(error)[:80]}); repair it, or remove it") from error
    inner: Any = cast(dict[str, Any], found).get("Picture_AI", found) if isinstance(found, dict) else {}
    word: Any = cast(dict[str, Any], inner).get("Label") if isinstance(inner, dict) else None
    if not isinstance(word, str) or word.strip().lower() not in LABELS:
        raise DataError(f"{path}: the label is {shown(word)}; wanted Positive, Similar or Negative")
    return LABELS[word.strip().lower()]
