"""From a diagnosis to a remedy: one classical remedy a distortion class, as strong as the severity, where the box says.

A remedy is a pure function from pixels and a level to pixels. It sees the whole picture, and its result is mixed in
over the box with a soft edge, so that a box that is a little wrong leaves no seam.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Box
from loupe.data.degrade import Pixels, pixel_slices
from loupe.data.remedies.deblock import deblock
from loupe.data.remedies.denoise import denoise
from loupe.data.remedies.depixelate import depixelate
from loupe.data.remedies.sharpen import sharpen
from loupe.data.remedies.tone import dim, lighten

REMEDIES: dict[str, Callable[[Pixels, int], Pixels]] = {
    "noise": denoise,
    "blur": sharpen,
    "compression": deblock,
    "darken": lighten,
    "brighten": dim,
    "pixelate": depixelate,
}
"""Remedy by the distortion class that it is for."""
EDGE = 1.0
"""Spread in pixels of the soft edge of a local remedy (ours)."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to a picture: the remedy against `distortion_class` at `level` 1..5, inside of `bbox_2d`.

    A class of None does nothing.
    """

    distortion_class: str | None
    level: int = 0
    bbox_2d: Box = WHOLE


NOTHING = Treatment(None)


def treat(image: Pixels, treatment: Treatment) -> Pixels:
    """The treated picture; image (H, W, 3) uint8, RGB, is not changed. Doing nothing returns a copy.

    Raises DataError for pixels of another form, and for a class or level that there is no remedy for.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(f"got pixels {image.shape} of {image.dtype}; wanted (H, W, 3) of uint8, RGB")
    if treatment.distortion_class is None:
        return image.copy()
    remedy = REMEDIES.get(treatment.distortion_class)
    if remedy is None or not 1 <= treatment.level <= 5:
        raise DataError(
            f"no remedy against {treatment.distortion_class!r} of level {treatment.level}; "
            f"wanted one of {', '.join(REMEDIES)} with level 1 to 5"
        )
    treated = remedy(image, treatment.level)
    return treated if treatment.bbox_2d == WHOLE else _mixed(image, treated, treatment.bbox_2d)


def _mixed(image: Pixels, treated: Pixels, box: Box) -> Pixels:
    mask = np.zeros(image.shape[:2], np.float32)
    mask[pixel_slices(box, *image.shape[:2])] = 1
    share = np.asarray(cv2.GaussianBlur(mask, (0, 0), EDGE, borderType=cv2.BORDER_REPLICATE))[..., None]
    return np.round(image + share * (treated.astype(np.float32) - image)).astype(np.uint8)
