"""The deviation of opinions brought to the scale of their mean, and what a deviation can be at all.

Releases keep a variance (KADID-10k), or a deviation on another scale than the mean (KonIQ-10k: mean on 1-100, SD on
1-5); whoever mixes them gets soft labels that are wrong without a sign. What a release has is said by its recipe.
"""

import math

from loupe.core.errors import DataError
from loupe.data.recipes.recipe import Recipe


def on_mos_scale(value: float, recipe: Recipe, *, where: str) -> float:
    """The deviation that a std column's `value` means, on the scale of mos.

    Raises DataError for a negative value, and where the scale that it must be stretched to is not known.
    """
    if not value >= 0.0 or math.isinf(value):
        raise DataError(f"{where}: the deviation is {value}; wanted a number of 0 or more")
    std = math.sqrt(value) if recipe.std == "variance" else value
    if recipe.std_scale is None:
        return std
    if recipe.scale_min is None or recipe.scale_max is None:
        raise DataError(f"{recipe.name}: std_scale needs scale_min and scale_max, for it is stretched to that range")
    low, high = recipe.std_scale
    return std * (recipe.scale_max - recipe.scale_min) / (high - low)
