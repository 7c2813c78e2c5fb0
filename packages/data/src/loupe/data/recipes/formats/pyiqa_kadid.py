"""KADID-10k's column `var`, recognised wherever it was copied to by its arithmetic.

The release names a column `var`. VisualQuality-R1's list holds the square root of it, as one does with a variance;
pyiqa's meta file holds it as it is, under the name `std`. Its arithmetic can be checked: some 30 people gave whole
numbers, so 30 (s^2 + mean^2) is a whole number where s is the deviation over those people. Of all 10,125 rows that can
be, within the rounding of the file, in 95 of 100 for the column itself and in 4 of 100 for its root, as many as by
chance. By that count the column is a deviation already; by its name and by custom it is a variance. Loupe does not
decide it in silence: the recipe does.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.recipe import Recipe

NAME = re.compile(r"(?:.*/)?I\d\d_\d\d_\d\d\.png", re.IGNORECASE)
PEOPLE = 30
FEW, SHARE = 20, 0.5
"""Rows that a verdict needs, and the share of them whose sum of squares can be a whole number."""
HOW = ("variance", "std", "none")


def choose_spread(rows: Sequence[tuple[str, float, float]], recipe: Recipe, *, where: str) -> Recipe:
    """The recipe as it is, or with `std` as `options.kadid_var` says where the rows hold KADID's column.

    rows (images,): name, opinion, raw deviation. Raises DataError where they hold it and the recipe does not say what
    it is, ConfigError for another word than variance, std or none.
    """
    if recipe.std == "none" or not is_release_column(rows):
        return recipe
    how = str(recipe.options.get("kadid_var", ""))
    if not how:
        raise DataError(
            f"{where}: the deviations are KADID-10k's column `var`, copied as it is; say options.kadid_var=variance to "
            "take its root, as others do, =std to take it as it is, as its arithmetic says, or =none to leave it out"
        )
    if how not in HOW:
        raise ConfigError(f"got options.kadid_var={how!r}; wanted one of {', '.join(HOW)}")
    return replace(recipe, std=how)


def is_release_column(rows: Sequence[tuple[str, float, float]]) -> bool:
    """True where the names are KADID-10k's and the spreads are those of about 30 whole numbers, to three digits."""
    if len(rows) < FEW or not all(NAME.fullmatch(image) for image, _, _ in rows):
        return False
    return sum(_whole(mean, spread) for _, mean, spread in rows) >= SHARE * len(rows)


def _whole(mean: float, spread: float) -> bool:
    """Whether a sum of PEOPLE squares can be a whole number, given a mean to two and a deviation to three digits."""
    total = round(mean * PEOPLE)
    low, high = max(spread - 0.0005, 0.0) ** 2 * PEOPLE, (spread + 0.0005) ** 2 * PEOPLE
    squares = total**2 / PEOPLE
    return math.floor(squares + high + 1e-6) >= math.ceil(squares + low - 1e-6)
