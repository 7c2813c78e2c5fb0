"""How close a picture is to its pristine original, by the two measures that restoration is reported in.

PSNR over all channels. SSIM after Wang, Bovik, Sheikh and Simoncelli (2004) on luma: gaussian windows of 11 pixels with
a spread of 1.5, mean over the windows that lie inside the picture.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.data.degrade import Pixels

_Plane = npt.NDArray[np.floating[Any]]
_SIGMA, _WINDOW = 1.5, 11
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(pristine: Pixels, image: Pixels) -> float:
    """Peak signal-to-noise ratio in dB, higher is better; infinite for equal pictures. Both (H, W, 3) uint8.

    Raises DataError for pictures of two sizes.
    """
    _check(pristine, image)
    return float("inf") if np.array_equal(pristine, image) else float(cv2.PSNR(pristine, image))


def ssim(pristine: Pixels, image: Pixels) -> float:
    """Structural similarity, at most 1 (equal pictures), higher is better. Both (H, W, 3) uint8, sides of 11 or more.

    Raises DataError for pictures of two sizes, or too small.
    """
    _check(pristine, image)
    if min(pristine.shape[:2]) < _WINDOW:
        raise DataError(f"got pictures {pristine.shape}; wanted sides of {_WINDOW} pixels or more")
    x, y = (cv2.cvtColor(item, cv2.COLOR_RGB2GRAY).astype(np.float64) for item in (pristine, image))
    mean_x, mean_y = _window(x), _window(y)
    var_x, var_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    both = _window(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * both + _C2)
    return float((top / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))).mean())


def _window(plane: _Plane) -> _Plane:
    """Weighted mean of the window around each pixel that has a whole one."""
    half = _WINDOW // 2
    return np.asarray(cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA), np.float64)[half:-half, half:-half]


def _check(pristine: Pixels, image: Pixels) -> None:
    if pristine.shape != image.shape:
        raise DataError(f"cannot compare pictures of {pristine.shape} and {image.shape}; wanted one size")
