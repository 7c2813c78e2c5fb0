"""Pixelation in two variants; block sizes are ours."""

import cv2
import numpy as np

from loupe.data.distortions.types import Array, Distortion

_BLOCK = (2.0, 3.0, 4.0, 6.0, 8.0)


def mean(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Each block shows the mean of its pixels."""
    return _blocks(image, level, cv2.INTER_AREA)


def nearest(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Each block shows one of its pixels, so that fine texture turns into jagged edges."""
    # The exact variant takes the pixel at the centre of a block; the other one shifts the image.
    return _blocks(image, level, cv2.INTER_NEAREST_EXACT)


def _blocks(image: Array, level: int, interpolation: int) -> Array:
    height, width = image.shape[:2]
    size = (max(1, round(width / _BLOCK[level - 1])), max(1, round(height / _BLOCK[level - 1])))
    small = cv2.resize(image, size, interpolation=interpolation)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.float32)


VARIANTS: dict[str, Distortion] = {"mean": mean, "nearest": nearest}
