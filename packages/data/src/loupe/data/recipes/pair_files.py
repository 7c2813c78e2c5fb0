"""Comparisons of a release as the pairs files that training and evaluation read, beside the samples of their images."""

from collections.abc import Sequence
from pathlib import Path

from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.printable import printable
from loupe.data.pairs import Pair
from loupe.data.recipes.jsonl_parts import JsonlParts
from loupe.data.recipes.locate import sample_id
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import PairRow
from loupe.data.recipes.rows import pair_rows
from loupe.data.recipes.split import SPLITS


def write_pair_files(files: Sequence[Path], recipe: Recipe, *, out: Path) -> dict[str, int]:
    """Write pairs-SPLIT.jsonl for the samples in `out`; returns pairs by split, and those left out for want of files.

    Raises DataError where two images of a comparison are in different splits.
    """
    splits_of: dict[str, set[str]] = {}
    for split in SPLITS:
        for sample in read_jsonl(out / f"{split}.jsonl"):
            splits_of.setdefault(str(sample["id"]), set()).add(split)
    counts = {**dict.fromkeys(SPLITS, 0), "left out": 0}
    with JsonlParts(out, prefix="pairs-") as parts:
        for row in pair_rows(files, recipe):
            pair = _pair(row, recipe)
            first, second = (splits_of.get(name, set()) for name in (pair.image_a, pair.image_b))
            if not first or not second:
                counts["left out"] += 1
                continue
            split = _split(row, first & second, recipe)
            # In both orders, as `loupe data pairs` writes them: a preference for a place is then seen.
            for order in (pair, pair.swapped()):
                parts.write(split, order)
            counts[split] += 1
        parts.publish()
    return counts


def _split(row: PairRow, shared: set[str], recipe: Recipe) -> str:
    """The split of a comparison: the file's own, or the one that both images are in."""
    said = recipe.split.official.get(row.split or "", row.split or "")
    if said in shared or len(shared) == 1:
        return said if said in shared else next(iter(shared))
    raise DataError(
        f"{printable(row.image_a)} and {printable(row.image_b)} are compared and share no split; wanted split.by=group "
        "or split.by=whole, or one split an original"
    )


def _pair(row: PairRow, recipe: Recipe) -> Pair:
    dataset = row.dataset or recipe.name
    ids = [sample_id(name, dataset=dataset) for name in (row.image_a, row.image_b)]
    reference = None if row.reference is None else sample_id(row.reference, dataset=dataset)
    return Pair(ids[0], ids[1], row.choice, dataset, reference)
