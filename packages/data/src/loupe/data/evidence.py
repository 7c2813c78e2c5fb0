"""What each view of a synthetic image shows, measured: the overview, and each of the nine regions that a crop may show.

The pristine image is at hand only while an image is made, so this is kept beside the labels. It decides, by
measurement, which images are hard (the overview understates the damage), and what an ideal agent would say after
looking at a crop.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import numpy as np

from loupe.core.records import WHOLE, Box, Degradation
from loupe.data.degrade import REGIONS, Pixels, pixel_slices
from loupe.data.measure import impairments, pooled, rating_of

OVERVIEW_SIDE = 112
"""Side in pixels of the overview that hardness is measured on: what the pocket agent sees of a whole image."""
HARD_DAMAGE, HARD_SHARE = 0.25, 0.75
"""An image is hard where it lost at least HARD_DAMAGE rating points of 5 and its overview shows less than HARD_SHARE of
that loss (ours)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measured ratings (1..5) of one degraded image: whole at full resolution, its overview, and each of `REGIONS`."""

    id: str
    rating: float
    overview_rating: float
    region_ratings: tuple[float, ...]

    @property
    def hard(self) -> bool:
        """True where the overview is not enough to see how bad the image is."""
        loss = 5 - self.rating
        return loss >= HARD_DAMAGE and 5 - self.overview_rating < HARD_SHARE * loss

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        fields = dict(row)
        fields["region_ratings"] = tuple(row["region_ratings"])
        return cls(**fields)


def measure_views(id: str, pristine: Pixels, degraded: Pixels) -> Evidence:
    """Evidence of a degraded image against its pristine original, both (H, W, 3) uint8 of one size."""
    values = impairments(pristine, degraded)
    regions = tuple(round(rating_of(pooled(values[pixel_slices(region, *values.shape)])), 2) for region in REGIONS)
    overview = impairments(_overview(pristine), _overview(degraded))
    return Evidence(id, round(rating_of(pooled(values)), 2), round(rating_of(pooled(overview)), 2), regions)


def overlap(degradation: Degradation, view: Box) -> float:
    """Share of the view, 0..1, that lies inside the damaged region; 0 for a clean image."""
    if degradation.distortion_class is None:
        return 0.0
    box = degradation.bbox_2d or WHOLE
    width = min(box[2], view[2]) - max(box[0], view[0])
    height = min(box[3], view[3]) - max(box[1], view[1])
    return max(0.0, width) * max(0.0, height) / ((view[2] - view[0]) * (view[3] - view[1]))


def _overview(image: Pixels) -> Pixels:
    return np.asarray(cv2.resize(image, (OVERVIEW_SIDE, OVERVIEW_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
