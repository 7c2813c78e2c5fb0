"""Which of its label files a release came with: the first flavour of a recipe whose files are all there.

A flavour is a few fields laid over those of the recipe. A field that a flavour sets must not be set beside it too: one
of the two would be ignored, and nobody could say which.
"""

from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, cast

from loupe.core.config import overlaid
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.printable import printable
from loupe.data.recipes.globs import compile_globs
from loupe.data.recipes.recipe import Recipe


def with_flavour(recipe: Recipe, name: str) -> Recipe:
    """The recipe with the fields of its flavour `name`, of which it has no flavours any more.

    Raises ConfigError for a name or a field that is not known, and for a field set in both places.
    """
    if name not in recipe.flavours:
        raise ConfigError(f"{recipe.name} has no flavour {name!r}; it has {', '.join(recipe.flavours) or 'none'}")
    over = cast(dict[str, Any], recipe.flavours[name] or {})
    source = f"{recipe.name}, flavour {name}"
    merged = overlaid(replace(recipe, flavours={}, flavour=name), over, source=source)
    _refuse_twice(recipe, over, name=name)
    return merged


def flavours_of(recipe: Recipe) -> dict[str, Recipe]:
    """Every form in which the labels may come, by name; a recipe without flavours is one form without a name."""
    return {name: with_flavour(recipe, name) for name in recipe.flavours} or {"": recipe}


def find_labels(recipe: Recipe, files: Sequence[str]) -> tuple[Recipe, list[Path]]:
    """The recipe in the flavour that fits the files of a release (relative paths), and its label files in order.

    Raises MissingFileError where none fits, ConfigError where a glob matches several files and one is wanted.
    """
    forms = flavours_of(recipe) if not recipe.flavour else {recipe.flavour: with_flavour(recipe, recipe.flavour)}
    lacking: list[str] = []
    for name, form in forms.items():
        if not form.labels:
            raise ConfigError(f"{recipe.name or 'the recipe'} names no label files; set labels=[GLOB,...]")
        found = [_matches(pattern, files) for pattern in form.labels]
        if all(found):
            return form, [
                Path(recipe.root) / path for group in map(_one_of, found, [form] * len(found)) for path in group
            ]
        absent = next(pattern for pattern, group in zip(form.labels, found, strict=True) if not group)
        lacking.append(f"{absent} (flavour {name})" if name else absent)
    raise MissingFileError(
        f"no label file of {recipe.name} below {printable(recipe.root)}; wanted {' or '.join(lacking)}; "
        f"{recipe.obtain or 'set root to the folder of the download'}"
    )


def _matches(pattern: str, files: Sequence[str]) -> list[str]:
    wanted = compile_globs([pattern])
    return [path for path in files if wanted.match(path)]


def _one_of(paths: list[str], form: Recipe) -> list[str]:
    if len(paths) > 1 and not form.many:
        shown = ", ".join(printable(path) for path in paths[:3])
        raise ConfigError(f"{len(paths)} label files fit ({shown}); name one with labels=[PATH], or move the others")
    return paths


def _refuse_twice(recipe: Recipe, over: dict[str, Any], *, name: str) -> None:
    """Complain of a field that the flavour sets and that is not at its default in the recipe."""
    default = Recipe()
    for key, value in over.items():
        mine, plain = getattr(recipe, key), getattr(default, key)
        if is_dataclass(plain):
            twice = [leaf for leaf in value if getattr(mine, leaf, None) != getattr(plain, leaf, None)]
        else:
            twice = [] if mine == plain else [""]
        if twice:
            leaf = f"{key}.{twice[0]}" if twice[0] else key
            raise ConfigError(f"{leaf} is set beside flavour {name}, which sets it too; set flavours.{name}.{leaf}")
