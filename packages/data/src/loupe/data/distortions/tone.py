"""Darkening and brightening, three variants each.

Shifts and exponents of darkening as in DepictQA's tables; ours mirrored for brightening.
"""

import cv2
import numpy as np

from loupe.data.distortions.types import Array, Distortion

_VALUE_SHIFT = (0.1, 0.2, 0.3, 0.4, 0.5)
_RGB_SHIFT = (0.10, 0.15, 0.20, 0.27, 0.35)
_GAMMA = (1.4, 1.7, 2.1, 2.6, 3.2)


def darken_value(image: Array, level: int, rng: np.random.Generator) -> Array:
    """The V plane of HSV, shifted down: colours keep their hue and saturation."""
    return _shift_value(image, -_VALUE_SHIFT[level - 1])


def darken_shift(image: Array, level: int, rng: np.random.Generator) -> Array:
    """All channels shifted down by the same amount."""
    return image - _RGB_SHIFT[level - 1]


def darken_gamma(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Power law with an exponent above 1."""
    return np.power(np.clip(image, 0, 1), _GAMMA[level - 1])


def brighten_value(image: Array, level: int, rng: np.random.Generator) -> Array:
    """The V plane of HSV, shifted up."""
    return _shift_value(image, _VALUE_SHIFT[level - 1])


def brighten_shift(image: Array, level: int, rng: np.random.Generator) -> Array:
    """All channels shifted up by the same amount."""
    return image + _RGB_SHIFT[level - 1]


def brighten_gamma(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Power law with an exponent below 1."""
    return np.power(np.clip(image, 0, 1), 1 / _GAMMA[level - 1])


def _shift_value(image: Array, shift: float) -> Array:
    planes = cv2.cvtColor(np.clip(image, 0, 1), cv2.COLOR_RGB2HSV)
    planes[..., 2] = np.clip(planes[..., 2] + shift, 0, 1)
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_HSV2RGB), np.float32)


DARKEN: dict[str, Distortion] = {"value": darken_value, "shift": darken_shift, "gamma": darken_gamma}
BRIGHTEN: dict[str, Distortion] = {"value": brighten_value, "shift": brighten_shift, "gamma": brighten_gamma}
