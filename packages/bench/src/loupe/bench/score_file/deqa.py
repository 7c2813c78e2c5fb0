"""Results of DeQA-Score's evaluator: one object a line, with the logits of five level words.

The score is the mean of the levels 5 (excellent) to 1 (bad) under the softmax of their logits, as its own evaluator
takes it. Where a file holds probabilities alone they are made to sum to one first; that is ours.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from loupe.bench.score_file.json_rows import read_objects
from loupe.bench.score_file.rows import Row, names, number
from loupe.core.errors import DataError

SCALE = (1.0, 5.0)
LEVELS = {"excellent": 5.0, "good": 4.0, "fair": 3.0, "poor": 2.0, "bad": 1.0}


def read_deqa(path: Path) -> list[Row]:
    """Raises DataError for a row that names no image, or has other levels."""
    return [_row(place, row, where=f"{path}, row {place}") for place, row in enumerate(read_objects(path), start=1)]


def _row(place: int, row: dict[str, Any], *, where: str) -> Row:
    image, given = row.get("image", row.get("img_path")), row.get("id")
    # The id of its meta files is "name->mos".
    plain = given.split("->")[0] if isinstance(given, str) else None
    score = level_score(row, where=where)
    problem = "" if math.isfinite(score) else "no logits of five levels"
    return Row(place, names(image, plain, where=where), score, problem, number(row.get("gt_score")))


def level_score(row: Mapping[str, Any], *, where: str) -> float:
    """Expected level, 1..5 and higher is better; NaN where a number is missing or not finite.

    Raises DataError for words that are not the five levels.
    """
    kind = "logits" if row.get("logits") else "probs"
    found = row.get(kind)
    if not isinstance(found, dict):
        return math.nan
    values = {str(word).strip().casefold(): number(value) for word, value in cast(dict[Any, Any], found).items()}
    if set(values) != set(LEVELS):
        raise DataError(f"{where}: {kind} of {', '.join(sorted(values))[:80]}; wanted those of {', '.join(LEVELS)}")
    numbers = np.array([values[word] for word in LEVELS])
    if not np.isfinite(numbers).all():
        return math.nan
    weights = np.exp(numbers - numbers.max()) if kind == "logits" else numbers
    if weights.min() < 0.0 or weights.sum() <= 0.0:
        return math.nan
    return float(weights @ np.array(list(LEVELS.values())) / weights.sum())
