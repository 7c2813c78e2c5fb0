"""The label of a synthetic image: how far it is from its pristine original, measured, never invented.

The measure is SSIM (Wang, Bovik, Sheikh, Simoncelli 2004, Eq. 13, gaussian window of sigma 1.5) on luma at full
resolution, pooled over the worst quarter of the image (percentile pooling after Moorthy and Bovik 2009; the quarter is
ours): people judge an image by its worst part, and a damaged quarter counts as much as a damaged whole. The stabilising
constants are larger than the published ones (ours): with those, the faintest noise on a clear sky is as bad as can be.
The map from SSIM to a rating is ours.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.data.degrade import Pixels

Plane = npt.NDArray[np.floating[Any]]
"""One number a pixel (H, W): luma in 0..255, or SSIM."""

MEASURE = "ssim-luma-worst-quarter"
WORST_SHARE = 0.25
_C1, _C2 = (0.06 * 255) ** 2, (0.05 * 255) ** 2


def ssim_between(pristine: Pixels, degraded: Pixels) -> Plane:
    """SSIM map (H, W) of the luma of two images (H, W, 3) uint8, -1..1, 1 where they agree.

    Raises DataError for images of two sizes.
    """
    if pristine.shape != degraded.shape:
        raise DataError(f"cannot compare images of {pristine.shape} and {degraded.shape}; wanted one size")
    return ssim_map(_luma(pristine), _luma(degraded))


def pooled(values: Plane) -> float:
    """Mean of the worst quarter of a map."""
    flat = values.ravel()
    count = max(1, round(WORST_SHARE * flat.size))
    return float(np.partition(flat, count - 1)[:count].mean())


def rating_of(ssim: float) -> float:
    """Rating on 1..5, higher is better, from a pooled SSIM: 5 at 1, 1 at 0 and below."""
    return float(1 + 4 * np.clip(ssim, 0, 1))


def ssim_map(first: Plane, second: Plane) -> Plane:
    """SSIM at every pixel of two luma images (H, W) in 0..255; borders are mirrored."""
    mean_1, mean_2 = _window(first), _window(second)
    variance_1 = _window(first * first) - mean_1 * mean_1
    variance_2 = _window(second * second) - mean_2 * mean_2
    covariance = _window(first * second) - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _C1) / (mean_1 * mean_1 + mean_2 * mean_2 + _C1)
    return luminance * (2 * covariance + _C2) / (variance_1 + variance_2 + _C2)


def _window(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _luma(image: Pixels) -> Plane:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
