"""Metas of DepictQA's sets (KADIS-700k images damaged by X-Distortion: refA_sd_brief, DQ-495K, A_md_detail).

As made, one JSON object a damaged image: `img_ref`, `img_lq`, `distortion_class`, `distortion_name`, whole `severity`
0 to 5; collected, a JSON list with `image_ref` and `image_A` for the first two. Nobody rated these images. Rows of two
damages (`distortion_classes`, `severities`) keep both words, joined by `+`, and have no level, for there are two. Rows
that compare two damaged images are refused: they hold no label of one image.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from loupe.core.errors import DataError
from loupe.data.recipes.cells import damage, first_of, is_nothing, level, name, optional_name, shown
from loupe.data.recipes.json_rows import json_objects
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.split_name import split_in_name


def read(files: Sequence[Path], recipe: Recipe) -> Iterator[LabelRow]:
    """Rows in file order. Raises MissingFileError, and DataError naming file and row."""
    for path, where, row in json_objects(files):
        if not is_nothing(row.get("image_B")):
            raise DataError(f"{where} compares two damaged images; wanted metas of one, such as refA_sd_brief")
        reference = next((row[key] for key in ("img_ref", "image_ref", "ref_image") if key in row), None)
        word, strength = _damages(row, where=where)
        yield LabelRow(
            image=name(first_of(row, "img_lq", "image_A", "image", where=where), what="image", where=where),
            reference=optional_name(reference, what="reference", where=where),
            distortion=word,
            level=strength,
            split=split_in_name(path),
        )


def _damages(row: Mapping[str, Any], *, where: str) -> tuple[str | None, int | None]:
    if "distortion_classes" not in row:
        return damage(
            first_of(row, "distortion_class", "distortion_name", where=where),
            first_of(row, "severity", where=where),
            where=where,
        )
    words, levels = row["distortion_classes"], first_of(row, "severities", where=where)
    if is_nothing(words) and levels in (0, None, []):
        return None, 0
    if not isinstance(words, list) or not isinstance(levels, list) or len(words) != len(levels) or not words:  # pyright: ignore[reportUnknownArgumentType]
        raise DataError(f"{where}: damages {shown(words)} with severities {shown(levels)}; wanted one each")
    pairs = [
        damage(word, level(strength, where=where), where=where)
        for word, strength in zip(cast(list[Any], words), cast(list[Any], levels), strict=True)
    ]
    if any(word is None for word, _ in pairs):
        raise DataError(f"{where}: damages {shown(words)}; wanted a word for each of several")
    return "+".join(str(word) for word, _ in pairs), pairs[0][1] if len(pairs) == 1 else None
