"""Compression in two variants. JPEG qualities as in DepictQA's table; the WebP qualities are ours."""

import cv2
import numpy as np

from loupe.data.distortions.types import Array, Distortion


def jpeg(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Baseline JPEG with 4:2:0 chroma."""
    quality = (25, 18, 12, 8, 5)[level - 1]
    return _through(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def webp(image: Array, level: int, rng: np.random.Generator) -> Array:
    """Lossy WebP."""
    quality = (20, 12, 7, 3, 1)[level - 1]
    return _through(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])


def _through(suffix: str, image: Array, parameters: list[int]) -> Array:
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), parameters)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "a picture that was just encoded can be decoded"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.float32) / 255


VARIANTS: dict[str, Distortion] = {"jpeg": jpeg, "webp": webp}
