"""The degradation engine: one pure function from a clean image to a damaged one, and a seeded draw of what to damage.

The same seed gives the same pixels on every machine with the same library versions; nothing here reads a file or a
clock.
"""

import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Box, Degradation
from loupe.data.distortions import blur, compression, noise, pixelate, tone
from loupe.data.distortions.types import Distortion

Pixels = npt.NDArray[np.uint8]
"""Image (H, W, 3), RGB, 0..255."""

VARIANTS: dict[str, dict[str, Distortion]] = {
    "noise": noise.VARIANTS,
    "blur": blur.VARIANTS,
    "compression": compression.VARIANTS,
    "darken": tone.DARKEN,
    "brighten": tone.BRIGHTEN,
    "pixelate": pixelate.VARIANTS,
}

CLEAN = Degradation(None, 0, None)

REGIONS: tuple[Box, ...] = tuple((x / 4, y / 4, x / 4 + 0.5, y / 4 + 0.5) for y in range(3) for x in range(3))
"""Where local damage may lie: nine windows of half the width and half the height, row by row from the top left."""


def degrade(image: Pixels, degradation: Degradation, *, seed: int) -> Pixels:
    """The image with the degradation in its region; outside the region every pixel stays as it was.

    image (H, W, 3) uint8. A clean degradation returns a copy. Raises DataError for pixels of another form, and for a
    class, variant or level that does not exist.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(f"got pixels {image.shape} of {image.dtype}; wanted (H, W, 3) of uint8, RGB")
    if degradation.distortion_class is None:
        return image.copy()
    function = _distortion(degradation)
    damaged = function(image.astype(np.float32) / 255, degradation.severity, np.random.default_rng(seed))
    damaged = np.round(np.clip(damaged, 0, 1) * 255).astype(np.uint8)
    rows, columns = pixel_slices(degradation.bbox_2d or WHOLE, *image.shape[:2])
    result = image.copy()
    result[rows, columns] = damaged[rows, columns]
    return result


def draw_degradation(rng: np.random.Generator, *, clean_share: float, local_share: float) -> Degradation:
    """A random degradation: class, variant and level uniform; local with probability `local_share`, else everywhere."""
    if rng.random() < clean_share:
        return CLEAN
    name = str(rng.choice(list(VARIANTS)))
    variant = str(rng.choice(list(VARIANTS[name])))
    region = REGIONS[rng.integers(len(REGIONS))] if rng.random() < local_share else WHOLE
    return Degradation(name, int(rng.integers(1, 6)), region, variant)


def pixel_slices(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a normalised box, rounded to whole pixels; never empty, never outside of the image."""
    return _span(box[1], box[3], height), _span(box[0], box[2], width)


def _span(start: float, end: float, length: int) -> slice:
    first = min(round(start * length), length - 1)
    return slice(first, max(round(end * length), first + 1))


def _distortion(degradation: Degradation) -> Distortion:
    variants = VARIANTS.get(str(degradation.distortion_class))
    if variants is None:
        raise DataError(f"no distortion class {degradation.distortion_class!r}; wanted one of {', '.join(VARIANTS)}")
    variant = degradation.variant or next(iter(variants))
    if variant not in variants:
        raise DataError(f"no {degradation.distortion_class} variant {variant!r}; wanted one of {', '.join(variants)}")
    if not 1 <= degradation.severity <= 5:
        raise DataError(f"severity {degradation.severity} of {degradation.distortion_class}; wanted 1 to 5")
    return variants[variant]
