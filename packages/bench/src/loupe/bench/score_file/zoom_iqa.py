"""Results of the evaluator that Zoom-IQA released: one object a line, with what the model said and what became of it.

`model_score` is (rating - 1) * 25, on 0..100; an answer that could not be read has `valid` false and -100. The opinion
stands beside it as `ground_truth`, in the annotations that it was made from as `gt_score`; both are taken.
"""

import math
from pathlib import Path
from typing import Any

from loupe.bench.score_file.json_rows import read_objects
from loupe.bench.score_file.rows import Row, names, number

SCALE = (0.0, 100.0)
INVALID = -100.0


def read_zoom_iqa(path: Path) -> list[Row]:
    """Raises DataError for a row that names no image."""
    return [
        Row(
            place,
            names(row.get("image"), row.get("img_path"), row.get("id"), where=f"{path}, row {place}"),
            score := _score(row),
            "" if math.isfinite(score) else _problem(row),
            number(row["ground_truth"] if "ground_truth" in row else row.get("gt_score")),
            str(row.get("dataset") or ""),
        )
        for place, row in enumerate(read_objects(path), start=1)
    ]


def _score(row: dict[str, Any]) -> float:
    rating = number(row.get("rating"))
    score = number(row["model_score"]) if "model_score" in row else (rating - 1.0) * 25.0
    failed = row.get("valid") is False or INVALID in (score, rating)
    return math.nan if failed else score


def _problem(row: dict[str, Any]) -> str:
    reason = row.get("error")
    return f"invalid: {reason[:60]}" if isinstance(reason, str) and reason else "invalid"
