"""Against noise: single wild pixels are replaced, the rest is smoothed along edges and not across them.

Isolated pixels that are all black or all white are salt and pepper: a switching median replaces them and leaves the
others alone. Where they are dense there is nothing else to do. Elsewhere a bilateral filter (Tomasi and Manduchi 1998)
follows, behind a median where noise is strong. Numbers are ours, chosen by
`loupe.data.measure` on the validation split of the pocket recipe.
"""

import cv2
import numpy as np
import numpy.typing as npt

from loupe.data.degrade import Pixels

_COLOUR = (50.0, 80.0, 120.0, 120.0, 50.0)
"""Grey levels over which the bilateral filter still mixes, by level."""
_SPACE = (1.0, 1.0, 1.0, 1.5, 1.5)
"""Spread of the bilateral filter in pixels, by level."""
_MEDIAN_FROM = 5
"""Level from which on a median over 3 x 3 pixels goes first."""
_BLACK, _WHITE, _WILD = 2, 253, 25
"""What is black or white at most and at least, and how many grey levels a wild pixel stands out by."""
_DENSE, _AROUND = 0.005, 12.0
"""Share of wild pixels from which on noise is taken to be salt and pepper, and the spread in pixels of that look."""


def denoise(image: Pixels, level: int) -> Pixels:
    """Less noise of severity `level` 1..5; image (H, W, 3) uint8, RGB."""
    wild = _wild_pixels(image)
    calm = np.where(wild[..., None], np.asarray(cv2.medianBlur(image, 5)), image)
    soft = np.asarray(cv2.medianBlur(calm, 3)) if level >= _MEDIAN_FROM else calm
    soft = np.asarray(cv2.bilateralFilter(soft, 0, _COLOUR[level - 1], _SPACE[level - 1]))
    dense = np.asarray(cv2.GaussianBlur(wild.astype(np.float32), (0, 0), _AROUND)) > _DENSE
    return np.where(dense[..., None], calm, soft).astype(np.uint8)


def _wild_pixels(image: Pixels) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) are black or white in all channels and unlike the median around them."""
    median = np.asarray(cv2.medianBlur(image, 3)).astype(np.int16)
    apart = np.abs(image.astype(np.int16) - median).max(axis=2) > _WILD
    return apart & ((image.max(axis=2) <= _BLACK) | (image.min(axis=2) >= _WHITE))
