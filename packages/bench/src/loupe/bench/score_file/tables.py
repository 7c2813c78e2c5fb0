"""Predictions as a table: comma, semicolon or tab between the columns, with a head or without one.

Without a head the first column names the image and the second one is its score. Which columns count is guessed from
their names or told. Cells are read as text and made numbers here, so that "n/a" in one row spoils no other. Between
semicolons a comma is a decimal point, as spreadsheets write in half of the world.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

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
    delimiter, head = layout(path)
    have, lines = _lines(path, delimiter, head=head)
    chosen = _choose(have, columns, head=head, path=path)
    found = {role: [line[have.index(name)] for line in lines] for role, name in chosen.items()}
    labels = found.get("label") or [""] * len(lines)
    scores, labels = ([_pointed(cell, delimiter) for cell in cells] for cells in (found["score"], labels))
    return [
        _row(place, *cells, failed=failed, where=f"{path}, row {place}")
        for place, cells in enumerate(zip(found["image"], scores, labels, strict=True), start=1)
    ]


def _lines(path: Path, delimiter: str, *, head: bool) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, numbers where there is no head, and the cells of each line under them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream, delimiter=delimiter) if any(cell.strip() for cell in line)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it as a table in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is no table that can be read: {str(error)[:120]}") from error
    if not lines:
        raise DataError(f"{path} is empty; wanted a line an image")
    names, rows = (lines[0], lines[1:]) if head else ([str(place) for place in range(len(lines[0]))], lines)
    for place, line in enumerate(rows, start=1):
        # A comma at the end of each line is nothing; one in a name would move every cell behind it.
        if any(cell.strip() for cell in line[len(names) :]):
            raise DataError(
                f"{path}, row {place} has {len(line)} cells for {len(names)} columns ({line[0][:40]!r}); put quotes "
                "around a cell that holds the mark between columns"
            )
    return names, [line + [""] * (len(names) - len(line)) for line in rows]


def layout(path: Path) -> tuple[str, bool]:
    """What stands between the columns, and whether the first line is a head."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        first = next((line for line in stream if line.strip()), "")
    # Where there are as many of both, commas are decimal points.
    delimiter = max((";", "\t", ","), key=first.count)
    cells = next(csv.reader([first], delimiter=delimiter), list[str]())
    return delimiter, not any(math.isfinite(number(_pointed(cell, delimiter))) for cell in cells[1:])


def _pointed(cell: str, delimiter: str) -> str:
    return cell.replace(",", ".") if delimiter == ";" else cell


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
