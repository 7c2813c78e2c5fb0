"""The rows of a release as every pass over them sees them: read, dropped where the recipe says so, and completed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loupe.core.errors import ConfigError
from loupe.data.recipes.globs import compile_globs
from loupe.data.recipes.naming import complete, file_name
from loupe.data.recipes.readers import PAIR_READERS, READERS
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow, PairRow


def label_rows(
    files: Sequence[Path], recipe: Recipe, *, on_drop: Callable[[LabelRow, str], None] = lambda row, reason: None
) -> Iterator[LabelRow]:
    """Every row that is to be kept, in the order of the files; `on_drop` is told of the others, and why.

    Raises ConfigError for a reader that is not known, and what the reader raises.
    """
    reason_of = drop_reasons(recipe)
    for row in _read(files, recipe):
        reason = row.left_out or reason_of(row.image)
        if reason is None:
            yield complete(row, recipe)
        else:
            on_drop(row, reason)


def drop_reasons(recipe: Recipe) -> Callable[[str], str | None]:
    """Why the recipe drops an image of a name, or None."""
    globs = [(compile_globs([glob]), reason) for glob, reason in recipe.drop.items() if reason]

    def reason_of(name: str) -> str | None:
        short = file_name(name)
        return next((why for glob, why in globs if glob.match(name) or glob.match(short)), None)

    return reason_of


def pair_rows(files: Sequence[Path], recipe: Recipe) -> Iterator[PairRow]:
    """Every comparison, in the order of the files; none where the recipe's labels are ratings."""
    if recipe.reader in PAIR_READERS:
        yield from PAIR_READERS[recipe.reader](files, recipe)


def _read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    if recipe.reader in READERS:
        yield from READERS[recipe.reader](files, recipe)
    elif recipe.reader in PAIR_READERS:
        yield from _images_of(pair_rows(files, recipe))
    else:
        known = ", ".join(sorted((*READERS, *PAIR_READERS)))
        raise ConfigError(f"got reader={recipe.reader}; wanted one of {known}")


def _images_of(pairs: Iterator[PairRow]) -> Iterator[LabelRow]:
    """Each image of the comparisons once a split, the originals among them; a set of their names is held."""
    seen = set[tuple[str, str | None]]()
    for pair in pairs:
        for name in (pair.image_a, pair.image_b, pair.reference):
            if name is not None and (name, pair.split) not in seen:
                seen.add((name, pair.split))
                yield LabelRow(name, group=pair.reference, split=pair.split, dataset=pair.dataset)
