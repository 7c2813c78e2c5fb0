"""What a file name says: its original, its damage, its level; and what that damage is in Loupe's words.

Most releases put reference, distortion and level into the names of their images. A recipe holds the pattern; what the
label file says itself goes before it. A damage is given one of Loupe's classes only where it is that: JPEG 2000 is
compression, a change of contrast is none of the classes, and then the data set's own word is all there is.
"""

import re
from dataclasses import replace
from functools import lru_cache

from loupe.core.errors import ConfigError, DataError
from loupe.core.printable import printable
from loupe.core.records import DISTORTION_CLASSES, WHOLE, Degradation
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

CLEAN = 0
_GROUPS = ("reference", "group", "distortion", "level")


def complete(row: LabelRow, recipe: Recipe) -> LabelRow:
    """The row with what its image's name says where the label file was silent; a name that does not fit is an error."""
    if not recipe.name_pattern:
        return row
    found = _pattern(recipe.name_pattern).fullmatch(file_name(row.image))
    if found is None:
        raise DataError(
            f"{printable(row.image)}: its name does not fit {recipe.name_pattern}; wanted the names of {recipe.name}, "
            "or set name_pattern="
        )
    said = found.groupdict()
    reference = said.get("reference")
    return replace(
        row,
        reference=row.reference or (recipe.reference_name or "{}").format(reference) if reference else row.reference,
        group=row.group or said.get("group"),
        distortion=row.distortion or said.get("distortion"),
        level=row.level if row.level is not None or said.get("level") is None else int(said["level"]),
    )


def degradation_of(row: LabelRow, recipe: Recipe) -> Degradation | None:
    """Loupe's record of the row's damage; None where it has no class in Loupe, or where nobody says how strong it is.

    The level is the data set's own step, 1..5, not a measurement. Raises DataError for a level beyond 0..5 and for a
    word that the recipe does not list.
    """
    if row.level is not None and not CLEAN <= row.level <= 5:
        raise DataError(f"{printable(row.image)}: the level is {row.level}; wanted 1 to 5, or 0 for a clean image")
    if row.level == CLEAN:
        return Degradation(None, CLEAN, None)
    if row.distortion is None or not recipe.distortions:
        return None
    word = row.distortion
    if word not in recipe.distortions:
        word = next((known for known in recipe.distortions if known.casefold() == word.casefold()), None)
    if word is None:
        raise DataError(
            f"{printable(row.image)}: the distortion {printable(row.distortion)!r} is none of {recipe.name}'s "
            f"({', '.join(recipe.distortions)}); add it to distortions, as null where Loupe has no class for it"
        )
    name = recipe.distortions[word]
    if name is None or row.level is None:
        return None
    return Degradation(name, row.level, WHOLE, variant=row.distortion)


def check_distortions(recipe: Recipe) -> None:
    """Raises ConfigError for a class that Loupe does not have, and for a name pattern that is none."""
    for word, name in recipe.distortions.items():
        if name is not None and name not in DISTORTION_CLASSES:
            raise ConfigError(f"distortions.{word} is {name!r}; wanted {', '.join(DISTORTION_CLASSES)} or null")
    if recipe.name_pattern and not set(_pattern(recipe.name_pattern).groupindex) <= set(_GROUPS):
        raise ConfigError(f"got name_pattern={recipe.name_pattern}; wanted groups named {', '.join(_GROUPS)}")


def file_name(name: str) -> str:
    """Last part of a path in a label file."""
    return name.replace("\\", "/").rpartition("/")[2]


@lru_cache(maxsize=8)
def _pattern(words: str) -> re.Pattern[str]:
    try:
        return re.compile(words, re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"name_pattern {words!r} is no regular expression ({error})") from error
