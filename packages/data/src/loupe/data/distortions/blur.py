"""Blur in three variants. Gaussian, motion and lens strengths as in DepictQA's tables; borders are mirrored."""

import cv2
import numpy as np

from loupe.data.distortions.types import Array, Distortion

_MOTION = ((5, 3), (10, 5), (15, 7), (15, 9), (20, 12))
_LENS_RADIUS = (2, 3, 4, 6, 8)


def gaussian(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Gaussian of sigma 1 to 5 pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(level), borderType=cv2.BORDER_REFLECT_101), np.float32)


def motion(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Camera shake along a line: a one-sided gaussian of the table's radius and sigma, at a random angle."""
    radius, sigma = _MOTION[level - 1]
    angle = rng.uniform(-np.pi / 2, np.pi / 2)
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for step in np.linspace(0, radius, 4 * radius + 1):
        x, y = radius + step * np.cos(angle), radius + step * np.sin(angle)
        kernel[round(y), round(x)] += np.exp(-0.5 * (step / sigma) ** 2)
    return _filtered(image, kernel)


def lens(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Out of focus: a disk."""
    radius = _LENS_RADIUS[level - 1]
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    # The half pixel keeps the disk round at small radii.
    disk = (rows**2 + columns**2 <= (radius + 0.5) ** 2).astype(np.float32)
    return _filtered(image, disk)


def _filtered(image: Array, kernel: Array) -> Array:
    blurred = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32)


VARIANTS: dict[str, Distortion] = {"gaussian": gaussian, "motion": motion, "lens": lens}
