"""The three training files of Q-Insight (arXiv 2503.22679): opinions, distortions and comparisons, each a JSON list.

Opinions are rows of DeQA-Score, of which Q-Insight reads `image` and `gt_score_norm` alone: read so here, with the
deviation of that scale. Distortions are `image`, `distortion_class` and `severity`, in words or as 0 to 5; whether a
clean image holds the word "null" or JSON's null is not known, so both are read. Comparisons are `ref_image`, `ImageA`,
`ImageB` and `result`; Q-Insight never shows a pair in the other order, so `build` writes both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loupe.data.recipes.cells import choice, damage, first_of, name, optional_name
from loupe.data.recipes.formats import deqa
from loupe.data.recipes.json_rows import json_objects
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow, PairRow
from loupe.data.recipes.split_name import split_in_name


def read_score(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Opinions on 1..5. Raises MissingFileError, DataError."""
    return deqa.read(files, replace(recipe, options={"value": "gt_score_norm"} | recipe.options))


def read_distortion(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Images that nobody rated, with the word and the level of their damage. Raises MissingFileError, DataError."""
    for path, where, row in json_objects(files):
        word, strength = damage(
            first_of(row, "distortion_class", "distortion_name", where=where),
            first_of(row, "severity", where=where),
            where=where,
        )
        yield LabelRow(
            image=name(first_of(row, "image", where=where), what="image", where=where),
            distortion=word,
            level=strength,
            split=split_in_name(path),
        )


def read_comparison(files: Sequence[Path], recipe: Recipe) -> Iterator[PairRow]:
    """Pairs with their reference, each as the file has it. Raises MissingFileError, DataError."""
    for path, where, row in json_objects(files):
        yield PairRow(
            image_a=name(first_of(row, "ImageA", where=where), what="ImageA", where=where),
            image_b=name(first_of(row, "ImageB", where=where), what="ImageB", where=where),
            choice=choice(first_of(row, "result", where=where), where=where),
            reference=optional_name(row.get("ref_image"), what="ref_image", where=where),
            split=split_in_name(path),
        )
