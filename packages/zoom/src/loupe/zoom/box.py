"""What region an agent means by the box that it wrote, in whichever numbers it speaks.

Boxes of models are untrusted: whatever arrives, the result is a box in [0, 1] or None. Qwen2.5-VL names pixels of the
image as its processor resized it, so a box is meant in that size and not in the file's; Qwen3-VL names thousandths.
"""

import math
from typing import cast

from loupe.core.crop_policy import CropPolicy
from loupe.core.records import Box

Corners = tuple[float, float, float, float]
"""[x1, y1, x2, y2] in whatever numbers somebody wrote them."""


def numbers_of(bbox: object) -> Corners | None:
    """Four finite numbers, those in quotes included; None for anything else."""
    items = cast("list[object]", bbox) if isinstance(bbox, list | tuple) else []
    numbers = [number for item in items[:5] if (number := _number(item)) is not None]
    if len(items) != 4 or len(numbers) != 4:
        return None
    return (numbers[0], numbers[1], numbers[2], numbers[3])


def corners_in_pixels(bbox: object, width: int, height: int, *, policy: CropPolicy) -> Corners | None:
    """Corners in pixels of the image, clamped to it and in order, x1 <= x2 and y1 <= y2; None where nothing is meant.

    `width` and `height` are those of the image, in pixels.
    """
    numbers = numbers_of(bbox)
    if numbers is None or (policy.zero_is_none and not any(numbers)):
        return None
    wide, high = full_scale(width, height, policy=policy)
    within = all(0.0 <= value <= limit for value, limit in zip(numbers, (wide, high, wide, high), strict=True))
    if not within and policy.outside == "unreadable":
        return None
    if not within and policy.outside == "pixels":
        wide, high = float(width), float(height)
    # In this order, and not by a factor, so that 0..1 gives the pixels that the released evaluator gives.
    x1, y1, x2, y2 = (
        min(max(0.0, value * side / scale), float(side))
        for value, side, scale in zip(numbers, (width, height) * 2, (wide, high) * 2, strict=True)
    )
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def meant(bbox: object, width: int, height: int, *, policy: CropPolicy) -> Box | None:
    """The region in [0, 1] of the image that is meant, before any bound of a crop; None where nothing is, or it has no
    area."""
    corners = corners_in_pixels(bbox, width, height, policy=policy)
    if corners is None:
        return None
    x1, y1, x2, y2 = (round(value / side, 4) for value, side in zip(corners, (width, height) * 2, strict=True))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def full_scale(width: int, height: int, *, policy: CropPolicy) -> tuple[float, float]:
    """The numbers (x, y) that name the right and the lower border of the image in the policy's coordinates."""
    if policy.coordinates == "thousand":
        return 1000.0, 1000.0
    if policy.coordinates == "pixels":
        wide, high = seen_size(width, height, policy=policy)
        return float(wide), float(high)
    return 1.0, 1.0


def seen_size(width: int, height: int, *, policy: CropPolicy) -> tuple[int, int]:
    """Size in pixels that the processor of Qwen2-VL and Qwen2.5-VL gives an image: sides are multiples of
    `seen_multiple`, the area lies between the two bounds, the aspect is kept as nearly as that allows."""
    unit = policy.seen_multiple
    wide, high = (max(unit, round(side / unit) * unit) for side in (width, height))
    area = width * height
    if wide * high > policy.seen_max_pixels:
        shrink = math.sqrt(area / policy.seen_max_pixels)
        wide, high = (max(unit, math.floor(side / shrink / unit) * unit) for side in (width, height))
    elif wide * high < policy.seen_min_pixels:
        grow = math.sqrt(policy.seen_min_pixels / area)
        wide, high = (math.ceil(side * grow / unit) * unit for side in (width, height))
    return wide, high


def _number(value: object) -> float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
