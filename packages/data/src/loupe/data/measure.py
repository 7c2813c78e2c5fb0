"""The label of a synthetic image: how far it is from its pristine original, measured, never invented.

The measure tells three impairments of luma apart and adds them up, after the separation of detail losses and additive
impairments by Li, Zhang, Ma and Ngan (2011); this simple form of it, the third part and all numbers are ours:

- detail lost, as a share of the pristine detail (blur, blocks, clipping);
- structure added, in grey levels (noise, ringing, jagged edges);
- tone shifted, in grey levels (darkening, brightening).

Measures of one piece, SSIM among them, say more about the content than about the damage: the same noise ruins a clear
sky and leaves a lawn alone, and nobody who sees only the damaged image can tell. Impairments are pooled over the worst
quarter of the image (percentile pooling after Moorthy and Bovik 2009; the quarter is ours): people judge an image by
its worst part, and a damaged quarter counts as much as a damaged whole.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.data.degrade import Pixels

Plane = npt.NDArray[np.floating[Any]]
"""One number a pixel (H, W), luma in 0..255; or one a cell (CELLS, CELLS)."""

MEASURE = "detail lost + structure added + tone shifted, luma, worst quarter"
CELLS = 8
"""Cells a side that impairments are averaged in before the worst of them are taken."""
WORST_SHARE = 0.25
LOSS_WEIGHT, ADDED_WEIGHT, TONE_WEIGHT = 1.1, 0.028, 0.014
"""Weight of the share of detail that is lost, and of a grey level of added structure and of shifted tone."""

_SIGMA = 3.0
"""What a gaussian of this many pixels takes away is detail, the rest is tone."""
_FLOOR = 4.0
"""Variance in squared grey levels under which there is no detail to lose."""
_FAINT = 1.0
"""Grey levels of detail that a cell is taken to have at least, so that a clear sky loses nothing."""


def impairments(pristine: Pixels, degraded: Pixels) -> Plane:
    """Impairment of each cell (CELLS, CELLS), at least 0, 0 where nothing changed; images (H, W, 3) uint8.

    Raises DataError for images of two sizes.
    """
    if pristine.shape != degraded.shape:
        raise DataError(f"cannot compare images of {pristine.shape} and {degraded.shape}; wanted one size")
    first, second = _luma(pristine), _luma(degraded)
    tone_1, tone_2 = _smooth(first), _smooth(second)
    detail_1, detail_2 = first - tone_1, second - tone_2
    # The share of the pristine detail that is still there: the regression of one on the other, within a window.
    kept = (_smooth(detail_1 * detail_2) + _FLOOR) / (_smooth(detail_1 * detail_1) + _FLOOR)
    left = np.clip(kept, 0, 1) * detail_1
    lost = 1 - (_cells(np.abs(left)) + _FAINT) / (_cells(np.abs(detail_1)) + _FAINT)
    added, shifted = _cells(np.abs(detail_2 - left)), _cells(np.abs(tone_2 - tone_1))
    return LOSS_WEIGHT * lost + ADDED_WEIGHT * added + TONE_WEIGHT * shifted


def pooled(values: Plane) -> float:
    """Mean of the worst, that is largest, quarter of a map."""
    flat = values.ravel()
    count = max(1, round(WORST_SHARE * flat.size))
    return float(np.partition(flat, flat.size - count)[-count:].mean())


def rating_of(impairment: float) -> float:
    """Rating on 1..5, higher is better: 5 for an impairment of 0, falling exponentially towards 1."""
    return float(1 + 4 * np.exp(-max(0.0, impairment)))


def _cells(plane: Plane) -> Plane:
    """Mean of each cell (CELLS, CELLS) of a plane (H, W)."""
    return np.asarray(cv2.resize(plane, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32)


def _smooth(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _SIGMA, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _luma(image: Pixels) -> Plane:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
