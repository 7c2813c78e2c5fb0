"""What every written row starts from: an opinion, its deviation on the same scale, and the range of its data set.

Files of the field have no place for a scale or a direction. So a file holds opinions of one scale alone, and where its
readers take more for better, opinions of a scale that runs the other way are turned: low + high - mos. DeQA-Score
stretches by the smallest and largest opinion of the whole data set, so the range is taken over all splits of the folder
and not over the one that is written.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loupe.core.errors import DataError
from loupe.core.records import Sample

VALUES = ("raw", "rating")


@dataclass(frozen=True, slots=True)
class Row:
    """A sample as it is written: `mos` and `std` on one scale, `low` and `high` the observed range of its data set."""

    sample: Sample
    mos: float
    std: float | None
    low: float
    high: float


def rows_of(samples: Sequence[Sample], everything: Iterable[Sample], *, values: str, turn: bool) -> list[Row]:
    """A row a sample; `everything` is all splits of the folder, for the range.

    `values` is raw (the scale of the data set) or rating (1..5, deviations with it); `turn`: more must be better.
    Raises DataError where raw opinions of several scales would come into one file.
    """
    if values == "raw":
        _refuse_several_scales(samples, turn=turn)
    ranges: dict[str, tuple[float, float]] = {}
    for sample in everything:
        mos = _mos(sample, values=values, turn=turn)
        if math.isfinite(mos):
            low, high = ranges.get(sample.dataset, (mos, mos))
            ranges[sample.dataset] = min(low, mos), max(high, mos)
    return [
        Row(
            sample,
            _mos(sample, values=values, turn=turn),
            _std(sample, values=values),
            *ranges.get(sample.dataset, (math.nan, math.nan)),
        )
        for sample in samples
    ]


def _mos(sample: Sample, *, values: str, turn: bool) -> float:
    if values == "rating":
        return sample.rating
    return sample.scale_min + sample.scale_max - sample.mos if turn and not sample.higher_is_better else sample.mos


def _std(sample: Sample, *, values: str) -> float | None:
    """The deviation beside it; it has no direction, so turning leaves it as it is."""
    if sample.mos_std is None or values == "raw":
        return sample.mos_std
    return 4.0 * sample.mos_std / (sample.scale_max - sample.scale_min)


def _refuse_several_scales(samples: Sequence[Sample], *, turn: bool) -> None:
    rated = [sample for sample in samples if math.isfinite(sample.mos)]
    scales = {(sample.scale_min, sample.scale_max, turn or sample.higher_is_better) for sample in rated}
    if len(scales) > 1:
        shown = ", ".join(
            f"{low:g}..{high:g}" + ("" if up else ", lower is better") for low, high, up in sorted(scales)
        )
        raise DataError(
            f"opinions of several scales ({shown}) in a file that has no place for a scale; write them on 1..5 with "
            "--values rating, or one data set at a time"
        )
