"""Standard deviations on the scale of the opinions that they stand beside, or none at all.

Releases keep a variance (KADID-10k), or a deviation on another scale than the mean (KonIQ-10k: mean on 1-100, SD on
1-5), and files of the field mix scales: opinions stretched to 0..100 or 1..5 with deviations left as they were measured
(the text files of VisualQuality-R1). Whoever mixes them gets soft labels that are wrong without a sign. No file says
so itself: the recipe must (`std`, `std_scale`), and deviations that cannot belong to their opinions are refused. The
bounds are ours: on a scale of width w no deviation over five or more people is above .56 w, and real sets reach .2 w or
more at their widest, so a file whose largest is under .05 w is on another scale.
"""

import math
from dataclasses import dataclass

from loupe.core.errors import DataError
from loupe.core.numbers import fixed
from loupe.data.recipes.recipe import Recipe

LARGEST = 0.56
"""Share of the nominal scale that no deviation exceeds: half of it, and a little where people are few."""
LARGEST_SEEN = 2.0
"""The same in widths of the observed range, which is all that is known where a recipe names no scale."""
SMALLEST = 0.05
"""Share of the scale that the largest deviation of a file reaches."""
ENOUGH = 20
"""Rows before a file is judged as a whole."""


def on_mos_scale(value: float, recipe: Recipe, *, where: str) -> float:
    """The deviation that a std column's `value` means, on the scale of mos.

    Raises DataError for a negative value, for one that is larger than the nominal scale allows, and where the scale
    that it must be stretched to is not known.
    """
    if not 0.0 <= value < math.inf:
        raise DataError(f"{where}: the deviation is {value}; wanted a number of 0 or more")
    std = math.sqrt(value) if recipe.std == "variance" else value
    width = _nominal(recipe)
    if recipe.std_scale is not None:
        if width is None:
            raise DataError(
                f"{recipe.name}: std_scale is stretched to the scale of mos, so it needs scale_min and scale_max"
            )
        std *= width / (recipe.std_scale[1] - recipe.std_scale[0])
    if width is not None and std > LARGEST * width:
        raise DataError(f"{where}: {_complaint('a deviation of', std, width)}")
    return std


@dataclass
class Spread:
    """Turns each deviation of a file to the scale of its opinion; `close` judges the file as a whole."""

    recipe: Recipe
    count: int = 0
    largest: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def std(self, value: float | None, mos: float, *, where: str) -> float | None:
        """The deviation on the scale of `mos`; None where there is none, or where the recipe takes none.

        Raises DataError for one that cannot be.
        """
        if value is None or self.recipe.std == "none":
            return None
        found = on_mos_scale(value, self.recipe, where=where)
        self.count += 1
        self.largest = max(self.largest, found)
        self.low, self.high = min(self.low, mos), max(self.high, mos)
        return found

    def close(self, *, where: str) -> None:
        """Judge all deviations of a file. Raises DataError where they are on another scale than the opinions.

        Not for releases: TID2013's deviations are smaller than those of single opinions can be.
        """
        observed = self.high - self.low
        width = _nominal(self.recipe) or observed
        if self.count < ENOUGH or not width > 0.0:
            return
        if self.largest < SMALLEST * width or self.largest > LARGEST_SEEN * max(width, observed):
            raise DataError(f"{where}: {_complaint('the largest deviation is', self.largest, width)}")


def _nominal(recipe: Recipe) -> float | None:
    """Width of the nominal scale; None where the recipe does not name it."""
    low, high = recipe.scale_min, recipe.scale_max
    return None if low is None or high is None else high - low


def _complaint(what: str, found: float, width: float) -> str:
    return (
        f"{what} {fixed(found)} where opinions span {fixed(width, 2)}, so it is on another scale; say which in "
        "std_scale=[LOW,HIGH], or leave the deviations out with std=none"
    )
