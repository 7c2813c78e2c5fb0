"""Standard deviations on the scale of the opinions that they stand beside, or none at all.

Files of the field mix scales: opinions stretched to 0..100 or 1..5 with deviations left as they were measured (the text
files of VisualQuality-R1; KonIQ's 0..100 opinions with deviations of votes on 1..5). Nothing in such a file says so, so
the recipe must (`std_scale`), and deviations that cannot belong to their opinions are refused. The bounds are ours: on
a scale of width w no deviation over five or more people is above .56 w, and real sets reach .2 w or more at their
widest, so one whose largest is under .05 w is on another scale.
"""

import math
from dataclasses import dataclass

from loupe.core.errors import ConfigError, DataError
from loupe.core.numbers import fixed
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.spread import on_mos_scale

LARGEST = 0.56
"""Share of the nominal scale that no deviation exceeds: half of it, and a little where people are few."""
LARGEST_SEEN = 2.0
"""The same in widths of the observed range, which is all that is known where a recipe names no scale."""
SMALLEST = 0.05
"""Share of the scale that the largest deviation of a file reaches."""
ENOUGH = 20
"""Rows before a file is judged as a whole."""


@dataclass
class Spread:
    """Turns each deviation of a file to the scale of its opinion, and judges the file when `close` is called."""

    recipe: Recipe
    count: int = 0
    largest: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def __post_init__(self) -> None:
        """Raises ConfigError where the recipe's scales cannot be used."""
        scale = self.recipe.std_scale
        if scale is not None and (len(scale) != 2 or not scale[1] > scale[0]):
            raise ConfigError(f"got std_scale={scale}; wanted the lower and the upper end of the deviations' scale")
        if scale is not None and self._nominal is None:
            raise ConfigError("std_scale is given and the scale of mos is not; set scale_min and scale_max too")

    def std(self, value: float | None, mos: float, *, where: str) -> float | None:
        """The deviation on the scale of `mos`; None where there is none, or where the recipe takes none.

        Raises DataError for one that is below zero or larger than its scale allows.
        """
        if value is None or self.recipe.std == "none":
            return None
        found = on_mos_scale(value, self.recipe, where=where)
        self.count += 1
        self.largest = max(self.largest, found)
        self.low, self.high = min(self.low, mos), max(self.high, mos)
        if self._nominal is not None and found > LARGEST * self._nominal:
            raise DataError(f"{where}: {self._complaint(found, self._nominal)}")
        return found

    def close(self, *, where: str) -> None:
        """Judge all deviations of a file. Raises DataError where they are on another scale than the opinions."""
        observed = self.high - self.low
        width = observed if self._nominal is None else self._nominal
        if self.count < ENOUGH or not width > 0.0:
            return
        if self.largest < SMALLEST * width or self.largest > LARGEST_SEEN * max(width, observed):
            raise DataError(f"{where}: {self._complaint(self.largest, width, largest=True)}")

    @property
    def _nominal(self) -> float | None:
        low, high = self.recipe.scale_min, self.recipe.scale_max
        return None if low is None or high is None else high - low

    def _complaint(self, found: float, width: float, *, largest: bool = False) -> str:
        what = "the largest deviation is" if largest else "a deviation of"
        return (
            f"{what} {fixed(found)} where opinions span {fixed(width, 2)}, so it is on another scale; say which in "
            "std_scale=[LOW,HIGH], or leave the deviations out with std=none"
        )
