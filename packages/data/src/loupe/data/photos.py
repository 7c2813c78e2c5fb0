"""Windows of a user's own photographs as pristine images.

A photograph is scaled down at random before a window is cut, which hides the compression and the sensor noise that it
came with: what is called pristine must be sharp and clean at the size that is shown.
"""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from loupe.core.errors import DataError, MissingFileError
from loupe.core.images import FORMATS, open_image
from loupe.data.degrade import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_NAMED = 3


def list_photos(folder: Path) -> list[Path]:
    """All picture files below a folder, sorted. Raises MissingFileError for no folder, DataError for an empty one."""
    if not folder.is_dir():
        raise MissingFileError(f"no folder {folder}; give one that holds photographs, or leave `photos` empty")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(f"no photographs below {folder}; wanted files ending in {', '.join(SUFFIXES)}")
    return found


def check_photos(paths: Iterable[Path], *, size: int) -> None:
    """Raises DataError naming photographs that are no pictures or too small for a window, by their headers alone."""
    unfit = [f"{path} ({reason})" for path in paths if (reason := _why_unfit(path, size))]
    if unfit:
        more = f" and {len(unfit) - _NAMED} more" if len(unfit) > _NAMED else ""
        raise DataError(
            f"{len(unfit)} of the photographs cannot be used: {', '.join(unfit[:_NAMED])}{more}; "
            f"wanted pictures of at least {size} pixels a side; move them out of the folder"
        )


def photo_window(path: Path, seed: int, *, size: int = 224) -> Pixels:
    """A window (size, size, 3) of a photograph at a random scale and place.

    Raises DataError where the photograph is smaller, ImageError where it cannot be read.
    """
    image = np.asarray(open_image(path), np.uint8)
    short = int(min(image.shape[:2]))
    if short < size:
        raise DataError(f"{path} is {image.shape[1]} × {image.shape[0]}; wanted at least {size} pixels a side")
    rng = np.random.default_rng(seed)
    target = rng.uniform(size, short)
    scale = target / short
    height, width = (max(size, round(side * scale)) for side in image.shape[:2])
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def _why_unfit(path: Path, size: int) -> str | None:
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "no picture that can be read"
    return f"{width} × {height}" if min(width, height) < size else None
