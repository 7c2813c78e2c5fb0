"""Formats that are one JSON list: DeQA-Score's metas, Q-Insight's three files, and Zoom-IQA's annotations.

`gt_score_norm` and `std_norm` are DeQA-Score's (arXiv 2501.11561): 1..5 and times four over the smallest and largest
opinion of the whole set. Keys and words of labels are facts of the formats; questions and answers are ours.
"""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from loupe.core.errors import DataError
from loupe.core.records import Sample, severity_word
from loupe.data.export.questions import level_word, question
from loupe.data.export.rows import Row
from loupe.data.pairs import Pair

IMAGE = "<|image|>"
CLEAN = "null"
"""What Q-Insight's reward can pay for a clean image: the word, not JSON's null."""


def deqa(rows: Sequence[Row]) -> str:
    """DeQA-Score metas, which Q-Insight reads too. Raises DataError where all opinions of a data set are one."""
    return _list([_deqa(row) for row in rows])


def zoom_iqa(rows: Sequence[Row]) -> str:
    """Annotations for Zoom-IQA's evaluator."""
    return _list(
        [
            {
                "id": row.sample.id,
                "image": row.sample.image,
                "gt_score": row.mos,
                "conversations": [_human(row.sample)],
            }
            for row in rows
        ]
    )


def q_insight_distortion(rows: Sequence[Row]) -> str:
    """Class and severity in words; "null" twice for a clean image."""
    return _list([_distortion(row.sample) for row in rows])


def q_insight_comparison(pairs: Sequence[Pair], images: dict[str, str]) -> str:
    """Pairs with their reference; `images` is the file of each sample id, and of each reference."""
    return _list(
        [
            {
                "ref_image": images[str(pair.reference)],
                "ImageA": images[pair.image_a],
                "ImageB": images[pair.image_b],
                "result": pair.choice,
            }
            for pair in pairs
        ]
    )


def _deqa(row: Row) -> dict[str, Any]:
    if not row.high > row.low:
        raise DataError(f"all opinions of {row.sample.dataset} are {row.low:g}; wanted a range to stretch to 1..5")
    width = row.high - row.low
    meta: dict[str, Any] = {
        "id": f"{PurePosixPath(row.sample.image).name}->{row.mos!r}",
        "image": row.sample.image,
        "gt_score": row.mos,
        "gt_score_norm": 4.0 * (row.mos - row.low) / width + 1.0,
    }
    if row.sample.level_probs is not None:
        meta["level_probs"] = list(row.sample.level_probs)
    if row.std is not None:
        meta |= {"std": row.std, "std_norm": 4.0 * row.std / width}
    answer = {"from": "gpt", "value": f"People find it {level_word(row.mos, row.low, row.high)}."}
    return meta | {"conversations": [_human(row.sample), answer]}


def _distortion(sample: Sample) -> dict[str, str]:
    damage = sample.degradation
    word = damage.distortion_class if damage else None
    level = severity_word(damage.severity) if damage and word else None
    return {"image": sample.image, "distortion_class": word or CLEAN, "severity": level or CLEAN}


def _human(sample: Sample) -> dict[str, str]:
    return {"from": "human", "value": f"{question(sample.id)}\n{IMAGE}"}


def _list(items: Sequence[dict[str, Any]]) -> str:
    return json.dumps(items, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
