"""The first pass over the rows of a release: what there is, before anything is written.

Ranges, counts, names without files, and the deck of the split come out of one reading in bounded memory: 16 bytes a row
beside the index of the files. What contradicts the recipe is told here, with the name of the trap where it is a known
one.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.recipes.gaps import Gaps
from loupe.data.recipes.locate import Found, Locator, group_of, sample_id
from loupe.data.recipes.naming import degradation_of
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.rows import label_rows
from loupe.data.recipes.split import SPLITS, Deck

Progress = Callable[[int, int], None]
_STEP = 1000


@dataclass
class Range:
    """Count, least and greatest of numbers as they come."""

    count: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float) -> None:
        self.count += 1
        self.low, self.high = min(self.low, value), max(self.high, value)

    def ends(self) -> list[float] | None:
        """[least, greatest], None where there was no number."""
        return [self.low, self.high] if self.count else None


@dataclass
class Survey:
    """What the first pass found."""

    deck: Deck
    rows: int = 0
    mos: Range = field(default_factory=Range)
    std: Range = field(default_factory=Range)
    dropped: Counter[str] = field(default_factory=Counter[str])
    words: Counter[str] = field(default_factory=Counter[str])
    """Rows by the data set's own word for their damage."""
    outside: int = 0
    first_outside: str = ""
    groups: int = 0
    """Different references, or groups where there are none."""


def survey(files: Sequence[Path], recipe: Recipe, *, locator: Locator, gaps: Gaps, progress: Progress) -> Survey:
    """Read all rows once; files that are missing go to `gaps`. Raises DataError for rows that cannot be used.

    `progress` is called with the rows that were read, and the rows that the recipe expects in all.
    """
    seed = recipe.split.seed
    found, references, ids, names = Survey(Deck(seed=seed)), set[str](), array("q"), dict[str, str]()

    def drop(row: LabelRow, reason: str) -> None:
        found.dropped[reason] += 1
        locator.find(row)

    for row in label_rows(files, recipe, on_drop=drop):
        found.rows += 1
        _measure(row, recipe, found)
        found.deck.add(split_key(row, recipe))
        here = _look_up(row, locator, references, gaps)
        # Without files nothing can be meant twice, and the names of a million rows are not to be held.
        if here.image is not None and recipe.place != "none":
            _claim(here.image, row.image, names)
        ids.append(hash(_id(row, recipe)))
        if found.rows % _STEP == 0:
            progress(found.rows, max(found.rows + 1, recipe.expected.rows or 0))
    if not found.rows:
        raise DataError(f"{files[0]}: no rows are left; wanted one an image")
    if len(np.unique(np.frombuffer(ids, dtype=np.int64))) < len(ids):
        _refuse_twice(files, recipe)
    found.groups = len(found.deck.distinct())
    return found


def split_key(row: LabelRow, recipe: Recipe) -> str:
    """What must not be parted by the split, in a form in which case does not matter."""
    group = group_of(row) if recipe.split.by != "image" else None
    return (row.image if group is None else group).casefold()


def split_of(row: LabelRow, recipe: Recipe, deck: Deck) -> str:
    """train, val or test for a row. Raises DataError where the file should say and does not."""
    if recipe.split.by == "whole":
        return "test"
    if recipe.split.by != "official":
        return deck.split_of(split_key(row, recipe))
    split = recipe.split.official.get(row.split or "", row.split if row.split in SPLITS else None)
    if split not in SPLITS:
        words = ", ".join(recipe.split.official) or ", ".join(SPLITS)
        raise DataError(f"{printable(row.image)}: the split is {row.split!r}; wanted {words}, or set split.by=image")
    return split


def _measure(row: LabelRow, recipe: Recipe, found: Survey) -> None:
    degradation_of(row, recipe)
    if row.distortion is not None:
        found.words[row.distortion.casefold()] += 1
    if row.mos_std is not None:
        found.std.add(row.mos_std)
    if math.isnan(row.mos):
        return
    found.mos.add(row.mos)
    low, high = recipe.scale_min, recipe.scale_max
    slack = 1e-6 * ((high or 0.0) - (low or 0.0))
    if (low is not None and row.mos < low - slack) or (high is not None and row.mos > high + slack):
        found.outside += 1
        found.first_outside = found.first_outside or f"{row.image} {row.mos:g}"


def _look_up(row: LabelRow, locator: Locator, references: set[str], gaps: Gaps) -> Found:
    here = locator.find(row)
    if here.image is None:
        gaps.add("missing", row.image)
    if row.reference is not None and row.reference not in references:
        references.add(row.reference)
        if here.reference is None:
            gaps.add("missing references", row.reference)
    return here


def _claim(path: str, name: str, names: dict[str, str]) -> None:
    """Note how a row calls a file. Raises DataError where a row before called it otherwise."""
    if (other := names.setdefault(path, name)) != name:
        raise DataError(
            f"{printable(other)} and {printable(name)} both mean the file {printable(path)}; wanted one row an image"
        )


def _id(row: LabelRow, recipe: Recipe) -> str:
    """What may be there once: the id of the sample, and where the file says the split, once a split."""
    name = sample_id(row.image, dataset=row.dataset or recipe.name)
    return f"{name}\n{row.split}" if recipe.split.by == "official" else name


def _refuse_twice(files: Sequence[Path], recipe: Recipe) -> None:
    """Say which image comes twice: a third reading, on the way to an error only. Raises DataError."""
    seen = dict[str, str]()
    for row in label_rows(files, recipe):
        key = _id(row, recipe)
        other = seen.setdefault(key, row.image) if key in seen else None
        seen[key] = row.image
        if other == row.image:
            raise DataError(f"{files[0]}: {printable(row.image)} comes twice; wanted one row an image")
        if other is not None:
            raise DataError(
                f"{files[0]}: {printable(other)} and {printable(row.image)} would share the id {key.split()[0]}; "
                "wanted names that differ in more than their ending or a sign, so rename one"
            )
