"""Predictions as a table: comma, semicolon or tab between the columns, with a head or without one.

Without a head the first column names the image and the second one is its score. Which columns count is guessed from
their names or told. Cells are read as text and made numbers here, so that "n/a" in one row spoils no other.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from loupe.bench.score_file.rows import Row, names, number
from loupe.core.errors import ConfigError, DataError

IMAGE = ("image", "img", "image_name", "img_name", "image_path", "img_path", "path", "file", "filename", "name", "id")
SCORE = ("score", "prediction", "pred", "predicted", "rating", "quality", "pred_score", "model_score", "output")
LABEL = ("mos", "gt_score", "gt", "ground_truth", "label", "dmos")
FAILED = -100.0
"""What evaluators of this field write for an answer that could not be read; a failure unless the scale holds it."""
ROLES = ("image", "score", "label")


def read_table(path: Path, *, columns: dict[str, str], failed: float | None = FAILED) -> list[Row]:
    """Rows of the table. `columns` names the column of an image, score or label that is not to be guessed.

    A label column counts where it was named or goes by a name of labels. Raises ConfigError for a column that is not
    there or cannot be guessed, DataError for a file that is no table.
    """
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs] - pandas brings none

    delimiter, head = layout(path)
    reader = cast(Any, pd).read_csv
    try:
        frame = reader(
            path, sep=delimiter, dtype=str, keep_default_na=False, header=0 if head else None, encoding="utf-8-sig"
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no table that can be read: {' '.join(str(error).split())[:120]}") from error
    have = [str(name) for name in frame.columns]
    frame.columns = have
    chosen = _choose(have, columns, head=head, path=path)
    found = {role: [str(cell) for cell in frame[name]] for role, name in chosen.items()}
    labels = found.get("label") or [""] * len(found["image"])
    return [
        _row(place, *cells, failed=failed, where=f"{path}, row {place}")
        for place, cells in enumerate(zip(found["image"], found["score"], labels, strict=True), start=1)
    ]


def layout(path: Path) -> tuple[str, bool]:
    """What stands between the columns, and whether the first line is a head."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        first = next((line for line in stream if line.strip()), "")
    delimiter = max((",", ";", "\t"), key=first.count)
    cells = next(csv.reader([first], delimiter=delimiter), list[str]())
    return delimiter, not any(math.isfinite(number(cell)) for cell in cells[1:])


def _row(place: int, image: str, score: str, label: str, *, failed: float | None, where: str) -> Row:
    value = number(score)
    if math.isfinite(value) and value == failed:
        return Row(place, names(image, where=where), math.nan, f"marked as failed ({score})", number(label))
    problem = "" if math.isfinite(value) else (f"no number: {score[:40]!r}" if score.strip() else "empty")
    return Row(place, names(image, where=where), value, problem, number(label))


def _choose(have: Sequence[str], told: dict[str, str], *, head: bool, path: Path) -> dict[str, str]:
    """Column of each role."""
    if strange := sorted(set(told.values()) - set(have)):
        raise ConfigError(f"{path} has no column {strange[0]!r}; it has {', '.join(have)}")
    if not head:
        if len(have) < 2:
            raise DataError(f"{path} has one column; wanted an image and its score in every line")
        return {"image": have[0], "score": have[1]} | told
    guesses = {"image": IMAGE, "score": SCORE, "label": LABEL}
    found = {role: told.get(role) or _guess(have, guesses[role]) for role in ROLES}
    for role in ("image", "score"):
        if not found[role]:
            raise ConfigError(
                f"{path}: no column looks like the {role}; it has {', '.join(have)}; name one with --columns "
                f"{role}=NAME"
            )
    return {role: name for role, name in found.items() if name}


def _guess(have: Sequence[str], known: Sequence[str]) -> str:
    plain = {name.strip().casefold(): name for name in have}
    return next((plain[name] for name in known if name in plain), "")
