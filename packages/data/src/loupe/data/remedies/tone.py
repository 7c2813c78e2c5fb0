"""Against wrong exposure: a power law and a shift, one curve for all three channels.

Damage comes as a shift of the value, of all channels, or as a power law, and the diagnosis does not say which: the
curve is a compromise between the three. What was clipped is lost. Numbers are ours, chosen by `loupe.data.measure` on
the validation split of the pocket recipe.
"""

import numpy as np

from loupe.data.degrade import Pixels

_LIGHTEN = ((0.9, 0.05), (0.7, 0.05), (0.7, 0.1), (0.5, 0.1), (0.5, 0.15))
_DIM = ((1.0, -0.1), (1.43, -0.05), (1.43, -0.1), (2.2, -0.05), (2.0, -0.15))
"""Exponent and shift (of 1 for white) by level."""


def lighten(image: Pixels, level: int) -> Pixels:
    """A picture that was darkened at severity `level` 1..5, made lighter; image (H, W, 3) uint8, RGB."""
    return _through(image, *_LIGHTEN[level - 1])


def dim(image: Pixels, level: int) -> Pixels:
    """A picture that was brightened at severity `level` 1..5, made darker; image (H, W, 3) uint8, RGB."""
    return _through(image, *_DIM[level - 1])


def _through(image: Pixels, exponent: float, shift: float) -> Pixels:
    curve = np.power(np.arange(256) / 255, exponent) + shift
    return np.round(np.clip(curve, 0, 1) * 255).astype(np.uint8)[image]
