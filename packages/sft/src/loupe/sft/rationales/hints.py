"""Low-level measurements of a picture, against which the sentences of a rationale are checked. Pure functions, OpenCV.

Brightness, contrast, colourfulness, sharpness, blockiness and noise, of a whole picture and of the nine cells of a
three by three grid, for damage may sit in a part. The formulas are those of the papers that each function names; none
of them was made to rate a picture, and they mistake fine texture for noise.
"""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.core.records import Box

Pixels = npt.NDArray[np.uint8]
"""A picture (H, W, 3), RGB."""
Plane = npt.NDArray[np.float64]
"""Luma (H, W), 0..255."""

LEAST_SIDE = 24
"""Pixels a side under which a region is not measured."""
BLOCK = 8
"""Side of the blocks that JPEG codes."""
_BLUR_TAPS = 9
_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)


@dataclass(frozen=True, slots=True)
class Hints:
    """Measurements of one region.

    `brightness`: mean luma, 0 (black) to 255 (white). `contrast`: standard deviation of luma, 0 (flat) to 127.5.
    `colourfulness`: 0 (grey) to some 150; 33 is moderate, 82 high. `sharpness`: 0 (blurred) to 1. `blockiness`: 1 where
    no grid of 8 pixels shows, larger where it does. `noise`: standard deviation in grey levels, 0 (none) up.
    """

    brightness: float
    contrast: float
    colourfulness: float
    sharpness: float
    blockiness: float
    noise: float

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Region:
    """A region [x1, y1, x2, y2] in [0, 1] and its measurements."""

    box: Box
    hints: Hints

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return {"box": list(self.box), "hints": self.hints.to_json()}


def measure(image: Pixels) -> Hints:
    """Measurements of a picture (H, W, 3). Raises DataError under 24 pixels a side."""
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < LEAST_SIDE:
        raise DataError(f"got an array of {image.shape}; wanted (H, W, 3) with at least {LEAST_SIDE} pixels a side")
    grey = luma(image)
    return Hints(
        brightness=round(brightness(grey), 2),
        contrast=round(contrast(grey), 2),
        colourfulness=round(colourfulness(image), 2),
        sharpness=round(sharpness(grey), 4),
        blockiness=round(blockiness(grey), 4),
        noise=round(noise(grey), 3),
    )


def measure_regions(image: Pixels, *, boxes: tuple[Box, ...] = ()) -> list[Region]:
    """The whole picture, the nine cells of a three by three grid, and `boxes`; regions that are too small are left out.

    Raises DataError where the whole picture is.
    """
    cells = [(x / 3, y / 3, (x + 1) / 3, (y + 1) / 3) for y in range(3) for x in range(3)]
    regions = [Region((0.0, 0.0, 1.0, 1.0), measure(image))]
    height, width = image.shape[:2]
    for box in (*cells, *boxes):
        x1, y1, x2, y2 = (round(side * size) for side, size in zip(box, (width, height, width, height), strict=True))
        if min(x2 - x1, y2 - y1) >= LEAST_SIDE:
            regions.append(Region(box, measure(image[y1:y2, x1:x2])))
    return regions


def luma(image: Pixels) -> Plane:
    """Luma after Rec. 601, 0..255."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.float64)


def brightness(grey: Plane) -> float:
    """Mean luma, 0..255."""
    return float(grey.mean())


def contrast(grey: Plane) -> float:
    """Root-mean-square contrast: the standard deviation of luma, 0..127.5 (Peli 1990, in grey levels)."""
    return float(grey.std())


def colourfulness(image: Pixels) -> float:
    """Colourfulness M3 of Hasler and Suesstrunk 2003, 0 for any grey picture; by them 15 is slight, 33 moderate, 45
    average, 59 quite, 82 high, 109 extreme."""
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def sharpness(grey: Plane) -> float:
    """One minus the blur of Crete et al. 2007: the share of variation that one more blur takes away, 0..1; the lower of
    both directions. A flat picture has 0. Contrast does not matter."""
    return min(_sharpness_along(grey, axis) for axis in (0, 1))


def _sharpness_along(grey: Plane, axis: int) -> float:
    taps = (1, _BLUR_TAPS) if axis == 0 else (_BLUR_TAPS, 1)
    blurred = np.asarray(cv2.blur(grey, taps), np.float64)
    before, after = np.abs(np.diff(grey, axis=1 - axis)), np.abs(np.diff(blurred, axis=1 - axis))
    inside = (slice(1, -1), slice(1, -1))
    total = float(before[inside].sum())
    return float(np.maximum(before - after, 0)[inside].sum()) / total if total > 1e-9 else 0.0


def blockiness(grey: Plane) -> float:
    """How much stronger luma changes across the lines of a grid of 8 pixels than elsewhere, after Wang, Bovik and Evans
    2000; at least 1, which is no grid. The grid may begin anywhere (ours): crops move it. The lower of both directions,
    for blocks have edges in both.
    """
    return max(1.0, min(_grid_along(np.abs(np.diff(grey, axis=1))), _grid_along(np.abs(np.diff(grey, axis=0)).T)))


def _grid_along(changes: Plane) -> float:
    """Largest ratio of the mean change at one phase of the grid to the mean over the other phases. Medians over rows
    keep a single edge in the picture from being taken for a grid."""
    profile = np.sqrt(changes).mean(axis=0)
    phases = np.array([np.median(profile[phase::BLOCK]) for phase in range(BLOCK)])
    best = int(phases.argmax())
    rest = float(np.delete(phases, best).mean())
    return float(phases[best]) / rest if rest > 1e-6 else (1.0 if phases[best] < 1e-6 else float(BLOCK))


def noise(grey: Plane) -> float:
    """Standard deviation of additive noise in grey levels, after Immerkaer 1996; texture adds to it."""
    response = np.asarray(cv2.filter2D(grey, cv2.CV_64F, _NOISE_MASK), np.float64)[1:-1, 1:-1]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(response).mean())
