"""From the box that an agent wrote to the pixels that it is shown.

A crop that is too small has no context and one that is too large shows nothing new, so the region is brought to a
share of the image between two bounds, as the released Zoom-IQA evaluator does (25 % to 75 %, sides of 28 px at least).
With `border: shift` a grown box is moved inside the image and not cut off at its border, so that the lower bound also
holds for a box in a corner (ours); `border: clip` is the evaluator's way and lies in `loupe.zoom.released`.
"""

import math

from PIL import Image

from loupe.core.crop_policy import PRESETS, CropPolicy
from loupe.core.errors import DataError
from loupe.core.records import Box
from loupe.zoom.box import Corners, corners_in_pixels
from loupe.zoom.released import PixelBox, central, clipped

__all__ = ["DEFAULT_POLICY", "PRESETS", "CropPolicy", "PixelBox", "as_box", "crop", "crop_region"]

DEFAULT_POLICY = PRESETS["loupe"]

_TOLERANCE = 1e-6
"""Pixels by which a side may miss a whole number: normalising a box and scaling it back is not exact."""


def crop_region(bbox: object, width: int, height: int, *, policy: CropPolicy = DEFAULT_POLICY) -> PixelBox:
    """Pixels to show for a box on an image of `width` x `height` pixels; never empty, never outside the image.

    `bbox` is whatever an agent wrote, [x1, y1, x2, y2] in the policy's coordinates. Reversed corners are swapped, a
    side of zero counts as one pixel. Raises DataError for an image without pixels, and for a box that cannot be read
    where the policy has no central fallback.
    """
    if width < 1 or height < 1:
        raise DataError(f"got an image of {width} x {height} pixels; wanted at least 1 x 1")
    corners = corners_in_pixels(bbox, width, height, policy=policy)
    if corners is None:
        if policy.fallback == "central":
            return central(width, height)
        raise DataError(f"got the box {str(bbox)[:80]}; wanted four finite numbers [x1, y1, x2, y2]")
    return (clipped if policy.border == "clip" else _shifted)(corners, width, height, policy=policy)


def crop(image: Image.Image, bbox: object, *, policy: CropPolicy = DEFAULT_POLICY) -> tuple[Image.Image, Box]:
    """The crop as it is shown, and the region that it really shows in the coordinates of the whole image.

    Raises DataError as `crop_region` does.
    """
    region = crop_region(bbox, image.width, image.height, policy=policy)
    readable = corners_in_pixels(bbox, image.width, image.height, policy=policy) is not None
    shown = image.crop(region)
    if readable:
        shown = resized(shown, shown_size(region, image.width, image.height, policy=policy))
    return shown, as_box(region, image.width, image.height)


def resized(cropped: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A crop in the size in which it is shown."""
    return cropped if cropped.size == size else cropped.resize(size, Image.Resampling.LANCZOS)


def shown_size(region: PixelBox, width: int, height: int, *, policy: CropPolicy) -> tuple[int, int]:
    """Width and height in pixels in which a region of an image is shown."""
    wide, high = region[2] - region[0], region[3] - region[1]
    if policy.resize == "factor":
        return max(1, round(wide * policy.factor)), max(1, round(high * policy.factor))
    if policy.resize == "fit":
        aspect = wide / high
        if aspect > width / height:
            return width, max(1, int(width / aspect))
        return max(1, int(height * aspect)), height
    return wide, high


def as_box(region: PixelBox, width: int, height: int) -> Box:
    """A region in pixels as a normalised box."""
    return (region[0] / width, region[1] / height, region[2] / width, region[3] / height)


def _shifted(corners: Corners, width: int, height: int, *, policy: CropPolicy) -> PixelBox:
    """The region within all bounds, moved inside where it has grown over the border."""
    x1, y1, x2, y2 = corners
    wide, high = _sides(x2 - x1, y2 - y1, size=(width, height), policy=policy)
    left = _start((x1 + x2) / 2, wide, limit=width)
    top = _start((y1 + y2) / 2, high, limit=height)
    return (left, top, left + wide, top + high)


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
