"""The crop of the released Zoom-IQA evaluator, to the pixel: what `border: clip` does.

Written anew from what that code computes (repository EthanLiang99/Zoom-IQA, its inference protocol). Corners are
rounded down first; a region is then scaled about its centre to the nearest allowed share and cut off at the border
without being moved, so a region in a corner may end far below the lower bound; short sides grow last.
"""

import math

from loupe.core.crop_policy import CropPolicy
from loupe.zoom.box import Corners

PixelBox = tuple[int, int, int, int]
"""[x1, y1, x2, y2] in pixels; x2 and y2 are exclusive, as in `Image.crop`."""


def central(width: int, height: int) -> PixelBox:
    """The middle half of each side of an image, in pixels; at least one pixel."""
    left, top = width // 4, height // 4
    return (left, top, max(left + 1, width * 3 // 4), max(top + 1, height * 3 // 4))


def clipped(corners: Corners, width: int, height: int, *, policy: CropPolicy) -> PixelBox:
    """Region of ordered corners in pixels, which lie on the image; never empty, never outside."""
    x1, x2 = _whole(corners[0], corners[2], limit=width)
    y1, y2 = _whole(corners[1], corners[3], limit=height)
    area, full = (x2 - x1) * (y2 - y1), width * height
    wanted = min(max(area, policy.min_share * full), policy.max_share * full)
    if wanted != area:
        factor = math.sqrt(wanted / area)
        x1, x2 = _scaled(x1, x2, factor=factor, limit=width)
        y1, y2 = _scaled(y1, y2, factor=factor, limit=height)
    x1, x2 = _at_least(x1, x2, least=policy.min_side, limit=width)
    y1, y2 = _at_least(y1, y2, least=policy.min_side, limit=height)
    return (int(x1), int(y1), int(x2), int(y2))


def _whole(low: float, high: float, *, limit: int) -> tuple[int, int]:
    """Both ends rounded down, one pixel apart at least; a side of no length is first widened to its right."""
    if low == high:
        low, high = (low, high + 1) if high < limit else (low - 1, high)
    start, end = int(low), int(high)
    if start == end:
        start, end = (start, start + 1) if start < limit else (start - 1, end)
    return start, end


def _scaled(low: float, high: float, *, factor: float, limit: int) -> tuple[float, float]:
    centre, half = (low + high) / 2, (high - low) * factor / 2
    return max(0.0, centre - half), min(float(limit), centre + half)


def _at_least(low: float, high: float, *, least: int, limit: int) -> tuple[float, float]:
    """A side that is too short, grown to both sides and pushed back inside."""
    missing = least - (high - low)
    if missing <= 0:
        return low, high
    low, high = low - missing // 2, high + (missing + 1) // 2
    if low < 0:
        low, high = 0.0, high - low
    if high > limit:
        low, high = low - (high - limit), float(limit)
    low = max(0.0, low)
    # Whole steps to both sides may leave a fraction of a pixel, which goes to the right as far as there is room.
    rest = min(least, limit) - (high - low)
    if rest > 0:
        left = min(rest // 2, low)
        low, high = low - left, high + min(rest - left, limit - high)
    if high - low < min(least, limit):
        # In this order: rounding down below makes a pixel of the last bit.
        low = max(0.0, min(low - (min(least, limit) - (high - low)), limit - min(least, limit)))
        high = low + min(least, limit)
    return low, high
