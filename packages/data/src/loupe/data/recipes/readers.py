"""The reader of each label format, by the name that a recipe gives it.

A reader gets the label files in the order of the recipe's globs and the recipe with its flavour applied, and yields
rows one at a time, so that a file of a million rows is never held whole where its format can be read in pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loupe.data.recipes.formats import (
    csiq,
    depictqa,
    deqa,
    diffiqa,
    flive,
    koniq,
    lines,
    mat,
    plain_csv,
    pyiqa,
    q_insight,
    table,
    tid2013,
    visualquality_r1_jsonl,
    visualquality_r1_txt,
    zoom_iqa,
)
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow, PairRow

Reader = Callable[[Sequence[Path], Recipe], Iterator[LabelRow]]
PairReader = Callable[[Sequence[Path], Recipe], Iterator[PairRow]]

READERS: dict[str, Reader] = {
    "table": table.read,
    "lines": lines.read,
    "koniq": koniq.read,
    "csiq": csiq.read,
    "tid2013": tid2013.read,
    "flive": flive.read,
    "live-challenge": mat.read_challenge,
    "live": mat.read_live,
    "deqa": deqa.read,
    "q-insight-score": q_insight.read_score,
    "q-insight-distortion": q_insight.read_distortion,
    "visualquality-r1-txt": visualquality_r1_txt.read,
    "visualquality-r1-jsonl": visualquality_r1_jsonl.read,
    "pyiqa": pyiqa.read,
    "zoom-iqa": zoom_iqa.read,
    "plain-csv": plain_csv.read,
    "depictqa": depictqa.read,
}
"""Readers of rated (or only named) images."""

PAIR_READERS: dict[str, PairReader] = {
    "q-insight-comparison": q_insight.read_comparison,
    "diffiqa-labels": diffiqa.read_labels,
    "diffiqa-triplets": diffiqa.read_triplets,
}
"""Readers of comparisons: `build` writes a sample for every image and a pairs file a split."""
