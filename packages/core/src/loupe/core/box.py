"""Geometry of normalised boxes, [x1, y1, x2, y2] in [0, 1] of the whole image.

Zoom, rewards and evaluation share these measures, and none of them needs pixels for it. The formulas are the usual
ones.
"""

from random import Random

from loupe.core.records import Box

_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def area(box: Box) -> float:
    """Share of the image that the box covers, 0 to 1; 0 for a box with reversed corners."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 (disjoint) to 1 (equal); 0 where both boxes are empty."""
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - shared
    return shared / union if union > 0.0 else 0.0


def shift_inside(box: Box) -> Box:
    """The box moved, not cut, until it lies inside [0, 1]; an axis on which it is too long is filled."""
    x1, x2 = _shift(box[0], box[2])
    y1, y2 = _shift(box[1], box[3])
    return (x1, y1, x2, y2)


def thirds(box: Box) -> tuple[str, str]:
    """Row (top, middle, bottom) and column (left, centre, right) of a 3 x 3 grid in which the box's centre lies."""
    x, y = ((box[first] + box[first + 2]) / 2 for first in (0, 1))
    return _ROWS[min(2, max(0, int(3 * y)))], _COLUMNS[min(2, max(0, int(3 * x)))]


def random_box(like: Box, *, rng: Random) -> Box:
    """A box of the size of `like` at a uniformly drawn position inside the image."""
    wide, high = min(1.0, like[2] - like[0]), min(1.0, like[3] - like[1])
    x1, y1 = rng.uniform(0.0, 1.0 - wide), rng.uniform(0.0, 1.0 - high)
    return shift_inside((x1, y1, x1 + wide, y1 + high))


def centre_box(like: Box) -> Box:
    """The box of the size of `like` in the middle of the image."""
    wide, high = min(1.0, like[2] - like[0]), min(1.0, like[3] - like[1])
    return shift_inside((0.5 - wide / 2, 0.5 - high / 2, 0.5 + wide / 2, 0.5 + high / 2))


def _shift(low: float, high: float) -> tuple[float, float]:
    if high - low >= 1.0:
        return 0.0, 1.0
    if low < 0.0:
        return 0.0, high - low
    if high > 1.0:
        return 1.0 - (high - low), 1.0
    return low, high
