"""Noise in six variants.

Levels 1 to 5 as in DepictQA's tables (its gaussian RGB, YCrCb, speckle, correlated, poisson, impulse).

Every function maps a float image (H, W, 3) in [0, 1] to the same, not yet clipped.
"""

import cv2
import numpy as np

from loupe.data.distortions.types import Array, Distortion

_CHROMA_SIGMA = (0.05, 0.06, 0.07, 0.08, 0.09)
_CHROMA_FACTOR = (1.0, 1.45, 1.9, 2.35, 2.8)


def gaussian(image: Array, level: int, rng: np.random.Generator) -> Array:
    """White noise, independent in each colour channel."""
    sigma = (0.05, 0.10, 0.15, 0.20, 0.25)[level - 1]
    return image + sigma * rng.standard_normal(image.shape, dtype=np.float32)


def chroma(image: Array, level: int, rng: np.random.Generator) -> Array:
    """White noise in YCrCb, stronger in the two colour planes."""
    sigma = _CHROMA_SIGMA[level - 1] * np.array([1.0, *[_CHROMA_FACTOR[level - 1]] * 2], np.float32)
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    noisy = planes + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(cv2.cvtColor(noisy, cv2.COLOR_YCrCb2RGB), np.float32)


def speckle(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Noise in proportion to the signal."""
    sigma = (0.14, 0.21, 0.28, 0.35, 0.42)[level - 1]
    return image * (1 + sigma * rng.standard_normal(image.shape, dtype=np.float32))


def correlated(image: Array, level: int, rng: np.random.Generator) -> Array:
    """White noise seen through a 3 × 3 mean, as after demosaicing."""
    sigma = (0.08, 0.11, 0.14, 0.18, 0.22)[level - 1]
    noisy = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(cv2.blur(noisy, (3, 3)), np.float32)


def poisson(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Photon noise: the fewer photons, the stronger."""
    photons = (80, 60, 40, 25, 15)[level - 1]
    return (rng.poisson(np.clip(image, 0, 1) * photons) / photons).astype(np.float32)


def impulse(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Salt and pepper: single pixels are black or white."""
    share = (0.01, 0.03, 0.05, 0.07, 0.10)[level - 1]
    draw = rng.random(image.shape[:2], dtype=np.float32)[..., None]
    return np.where(draw < share / 2, np.float32(0), np.where(draw > 1 - share / 2, np.float32(1), image))


VARIANTS: dict[str, Distortion] = {
    "gaussian": gaussian,
    "chroma": chroma,
    "speckle": speckle,
    "correlated": correlated,
    "poisson": poisson,
    "impulse": impulse,
}
