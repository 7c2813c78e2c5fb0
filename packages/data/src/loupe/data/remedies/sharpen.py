"""Against blur: the Wiener filter of a gaussian blur.

What kind of blur it was is not known, only how strong, so that a gaussian stands for all of them; motion along a line
gains nothing from it. Numbers are ours, chosen by `loupe.data.measure` on the validation split of the pocket recipe:
the highest rating among those that cost less than half a decibel.
"""

import cv2
import numpy as np

from loupe.data.degrade import Pixels

_SIGMA = (1.5, 2.5, 3.5, 4.0, 5.0)
"""Spread in pixels of the gaussian that is undone, by level."""
_NOISE = (0.03, 0.01, 0.01, 0.03, 0.05)
"""Power of noise over that of the picture, by level: the larger, the more careful."""
_PAD = 32


def sharpen(image: Pixels, level: int) -> Pixels:
    """Less blur of severity `level` 1..5; image (H, W, 3) uint8, RGB."""
    sigma, noise = _SIGMA[level - 1], _NOISE[level - 1]
    # A reflected border of one kernel or more: the transform takes the picture to go on at the other side.
    padded = cv2.copyMakeBorder(image, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_REFLECT).astype(np.float32)
    height, width = padded.shape[:2]
    squares = np.square(np.fft.fftfreq(height))[:, None] + np.square(np.fft.rfftfreq(width))[None]
    transfer = np.exp(-2 * np.pi**2 * sigma**2 * squares)
    # Scaled so that the mean tone stays.
    wiener = (1 + noise) * transfer / (transfer**2 + noise)
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * wiener[..., None]
    restored = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))[_PAD:-_PAD, _PAD:-_PAD]
    return np.round(np.clip(restored, 0, 255)).astype(np.uint8)
