"""What a label file says, one row at a time, before any scale is applied or any image is looked for.

Every reader of a file format yields these records and nothing else, so that looking up files, mapping to 1..5,
splitting and writing are done once, in `build`, for all data sets.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One image as its label file has it.

    `image` and `reference` are names or paths as they are written in the file, in any case. `mos` is raw, NaN where
    nobody rated the image; `mos_std` is a standard deviation on the scale of `mos` (a reader turns a variance, or a
    deviation on another scale, before it yields). `group` says what belongs together where there is no reference file:
    a prompt, a parent image. `split` is the file's own word, `distortion` its own word for the damage, `level` 1..5
    (0: clean), `level_probs` the five shares of opinions, the best first. `dataset` is only set by files that mix
    several.
    """

    image: str
    mos: float = math.nan
    mos_std: float | None = None
    reference: str | None = None
    group: str | None = None
    split: str | None = None
    distortion: str | None = None
    level: int | None = None
    level_probs: tuple[float, ...] | None = None
    dataset: str | None = None
    left_out: str | None = None
    """Why this is no rated image of the set, such as a copy of an original; `build` counts it and leaves it out."""


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two images as a comparison file has them; `choice` is one of `loupe.core.records.CHOICES`."""

    image_a: str
    image_b: str
    choice: str
    reference: str | None = None
    split: str | None = None
    dataset: str | None = None
