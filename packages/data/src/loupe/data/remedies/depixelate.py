"""Against pixelation: the blocks are taken as the pixels of a small picture, and that is enlarged smoothly.

The side of a block follows from the level, as the engine makes them (`loupe.data.distortions.pixelate`); a picture
pixelated otherwise would need its block measured first. Cubic or Lanczos by level, chosen by `loupe.data.measure` on
the validation split of the pocket recipe.
"""

import cv2
import numpy as np

from loupe.data.degrade import Pixels

_BLOCK = (2.0, 3.0, 4.0, 6.0, 8.0)
"""Side of a block in pixels, by level."""
_KERNEL = (cv2.INTER_LANCZOS4, cv2.INTER_LANCZOS4, cv2.INTER_LANCZOS4, cv2.INTER_CUBIC, cv2.INTER_CUBIC)


def depixelate(image: Pixels, level: int) -> Pixels:
    """Smooth contours in place of blocks of severity `level` 1..5; image (H, W, 3) uint8, RGB."""
    height, width = image.shape[:2]
    size = tuple(max(1, round(side / _BLOCK[level - 1])) for side in (width, height))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=_KERNEL[level - 1]), np.uint8)
