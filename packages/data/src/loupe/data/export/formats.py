"""What each format can hold, and who writes it.

Facts of the formats: DeQA-Score, Q-Insight, VisualQuality-R1 and Zoom-IQA take more for better and have no word for the
other direction; pyiqa's options have one, and a plain csv is read with a recipe that has one. A file that is told apart
by the number of its words cannot leave one out in some rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loupe.core.records import Sample
from loupe.data.export import json_lists, tables, visualquality_r1
from loupe.data.export.rows import Row


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is written.

    `write` makes the whole text from rows, and from whether deviations and references have a place in it. `turn`: more
    is better there. `rating`: opinions are on 1..5. `uniform_std`, `uniform_reference`: it is in all rows or in none.
    `unfit` says in a few words why an image has no place in the format.
    """

    write: Callable[[Sequence[Row], bool, bool], str]
    turn: bool = True
    rating: bool = False
    uniform_std: bool = False
    uniform_reference: bool = False
    unfit: Callable[[Sample], str | None] = lambda sample: None if math.isfinite(sample.rating) else "nobody rated it"


def _of_words(sample: Sample) -> str | None:
    if not math.isfinite(sample.rating):
        return "nobody rated it"
    names = sample.image + (sample.reference or "")
    return "its name holds a blank" if any(letter.isspace() for letter in names) else None


def _damaged(sample: Sample) -> str | None:
    return "nobody says what damage it has" if sample.degradation is None else None


def _anything(_sample: Sample) -> str | None:
    return None


FORMATS: dict[str, Format] = {
    "deqa": Format(lambda rows, _std, _reference: json_lists.deqa(rows)),
    "q-insight-score": Format(lambda rows, _std, _reference: json_lists.deqa(rows)),
    "q-insight-distortion": Format(
        lambda rows, _std, _reference: json_lists.q_insight_distortion(rows), rating=True, unfit=_damaged
    ),
    "visualquality-r1-txt": Format(
        lambda rows, std, reference: visualquality_r1.text_list(rows, std=std, reference=reference),
        uniform_std=True,
        uniform_reference=True,
        unfit=_of_words,
    ),
    "visualquality-r1-jsonl": Format(lambda rows, _std, _reference: visualquality_r1.training_rows(rows), rating=True),
    "pyiqa": Format(
        lambda rows, std, reference: tables.pyiqa(rows, std=std, reference=reference),
        turn=False,
        uniform_reference=True,
    ),
    "zoom-iqa": Format(lambda rows, _std, _reference: json_lists.zoom_iqa(rows)),
    "csv": Format(lambda rows, _std, _reference: tables.plain(rows), turn=False, unfit=_anything),
}
"""Formats of images."""
COMPARISON = "q-insight-comparison"
"""The one format of pairs."""
