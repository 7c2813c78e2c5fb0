"""From the box that an agent wrote to the pixels that it is shown.

A crop that is too small has no context and one that is too large shows nothing new, so the region is brought to a
share of the image between two bounds, as the released Zoom-IQA evaluator does (25 % to 75 %, sides of 28 px at least).
Unlike there, a grown box is moved inside the image and not cut off at its border, so that the lower bound also holds
for a box in a corner, and coordinates outside [0, 1] are clamped and never read as pixels. Both differences are ours.
Crops keep their native pixels; resizing is the processor's business.
"""

import math
from dataclasses import dataclass

from PIL import Image

from loupe.core.errors import ConfigError, DataError
from loupe.core.records import Box

PixelBox = tuple[int, int, int, int]
"""[x1, y1, x2, y2] in pixels; x2 and y2 are exclusive, as in `Image.crop`."""

_TOLERANCE = 1e-6
"""Pixels by which a side may miss a whole number: normalising a box and scaling it back is not exact."""


@dataclass(frozen=True)
class CropPolicy:
    """Bounds of a crop. Where they contradict each other on a tiny image, the lower bounds win."""

    min_share: float = 0.25
    """Smallest share of the image's area that a crop covers; a smaller box is grown about its centre."""
    max_share: float = 0.75
    """Largest share of the image's area that a crop covers; a larger box is shrunk about its centre."""
    min_side: int = 28
    """Shortest side of a crop in pixels, or the whole side of an image that is smaller."""

    def __post_init__(self) -> None:
        if not 0.0 < self.min_share <= self.max_share <= 1.0:
            raise ConfigError(
                f"got min_share {self.min_share} and max_share {self.max_share}; "
                "wanted 0 < min_share <= max_share <= 1: change one of them"
            )
        if self.min_side < 1:
            raise ConfigError(f"got min_side {self.min_side}; wanted at least 1 pixel")


DEFAULT_POLICY = CropPolicy()


def crop_region(bbox: Box, width: int, height: int, *, policy: CropPolicy = DEFAULT_POLICY) -> PixelBox:
    """Pixels to show for a box on an image of `width` x `height` pixels; never empty, never outside the image.

    Coordinates outside [0, 1] are clamped, reversed corners swapped, a side of zero counts as one pixel. Raises
    DataError for coordinates that are not finite and for an image without pixels.
    """
    if width < 1 or height < 1:
        raise DataError(f"got an image of {width} x {height} pixels; wanted at least 1 x 1")
    if not all(math.isfinite(value) for value in bbox):
        raise DataError(f"got the box {bbox}; wanted four finite numbers: parse the answer before cropping")
    x1, x2 = sorted((_clamp(bbox[0]), _clamp(bbox[2])))
    y1, y2 = sorted((_clamp(bbox[1]), _clamp(bbox[3])))
    wide, high = _sides((x2 - x1) * width, (y2 - y1) * height, size=(width, height), policy=policy)
    left = _start((x1 + x2) / 2 * width, wide, limit=width)
    top = _start((y1 + y2) / 2 * height, high, limit=height)
    return (left, top, left + wide, top + high)


def crop(image: Image.Image, bbox: Box, *, policy: CropPolicy = DEFAULT_POLICY) -> tuple[Image.Image, Box]:
    """The crop in native pixels, and the region that it really shows in the coordinates of the whole image."""
    region = crop_region(bbox, image.width, image.height, policy=policy)
    return image.crop(region), as_box(region, image.width, image.height)


def as_box(region: PixelBox, width: int, height: int) -> Box:
    """A region in pixels as a normalised box."""
    return (region[0] / width, region[1] / height, region[2] / width, region[3] / height)


def _clamp(value: float) -> float:
    return min(1.0, max(0.0, value))


def _sides(wide: float, high: float, *, size: tuple[int, int], policy: CropPolicy) -> tuple[int, int]:
    """Whole sides in pixels within the bounds: rounded up, or down where rounding up would pass the upper bound."""
    width, height = size
    wide, high = _bounded(max(wide, 1.0), max(high, 1.0), size=size, policy=policy)
    outer = (
        min(width, max(policy.min_side, math.ceil(wide - _TOLERANCE))),
        min(height, max(policy.min_side, math.ceil(high - _TOLERANCE))),
    )
    inner = (
        min(width, max(policy.min_side, math.floor(wide + _TOLERANCE))),
        min(height, max(policy.min_side, math.floor(high + _TOLERANCE))),
    )
    too_large = outer[0] * outer[1] > policy.max_share * width * height
    return inner if too_large and inner[0] * inner[1] >= policy.min_share * width * height else outer


def _bounded(wide: float, high: float, *, size: tuple[int, int], policy: CropPolicy) -> tuple[float, float]:
    """Sides scaled together until their area is within the bounds."""
    width, height = size
    share = wide * high / (width * height)
    wanted = min(max(share, policy.min_share), policy.max_share)
    factor = math.sqrt(wanted / share)
    wide, high = wide * factor, high * factor
    # A long thin box meets the borders before it is large enough: the other side makes up for what is cut.
    if wide > width:
        return float(width), wanted * height
    if high > height:
        return wanted * width, float(height)
    return wide, high


def _start(centre: float, side: int, *, limit: int) -> int:
    return min(max(0, round(centre - side / 2)), limit - side)
