"""What the pixels and the bytes of one image say: read once, in a process of its own, and kept for the next audit.

An image is decoded as everything else in Loupe decodes it. It is reduced to 256 pixels before it is compared: hashes
and a simple measure see no more, and large photographs cost no more. Perceptual hash: `imagehash.phash`, 64 bits of
the lowest frequencies. SSIM of reduced images after Wang, Bovik, Sheikh and Simoncelli (2004).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import cv2
import numpy as np
from PIL import Image

from loupe.core.errors import LoupeError
from loupe.core.files import sha256_file
from loupe.core.images import open_image
from loupe.data.degrade import Pixels
from loupe.data.remedies.fidelity import ssim

SIDE = 256
"""Longest side of the reduced image that is hashed and compared."""
FLATTEST = 2.0
"""Standard deviation, in grey levels of the picture at 32 pixels, under which an image has nothing to be known by."""
_SMALL = 32
_SAME_SHAPE = 0.02
"""Share by which the ratio of sides of an image and its reference may differ."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file without its contents: path, size in bytes and time of its last change in nanoseconds."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Task:
    """An image to look at, the reference to compare it with, and whether a hash of its bytes is wanted."""

    image: Stamp
    reference: Stamp | None
    hashed: bool
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `problem` is a line where the image cannot be used, and then nothing else is known.

    `phash` is 16 hex digits, None for an image without structure; `ssim` is in -1..1, 1 for equal images, None where
    there is no reference that fits.
    """

    image: Stamp
    reference: Stamp | None
    width: int = 0
    height: int = 0
    sha256: str | None = None
    phash: str | None = None
    ssim: float | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises TypeError or KeyError for a row of another form."""
        fields: dict[str, Any] = dict(row)
        fields["image"] = Stamp(**row["image"])
        fields["reference"] = None if row["reference"] is None else Stamp(**row["reference"])
        return cls(**fields)


def look_at(task: Task) -> Facts:
    """Facts of one image. Whatever is wrong with a file is in the facts, never raised."""
    digest = None
    try:
        if task.hashed:
            digest = sha256_file(task.image.path)
        image = open_image(task.image.path, max_pixels=task.max_pixels)
        small = reduced(image)
        likeness = None if task.reference is None else _likeness(image.size, small, task)
    except (LoupeError, OSError) as error:
        return Facts(task.image, task.reference, sha256=digest, problem=str(error))
    return Facts(task.image, task.reference, *image.size, sha256=digest, phash=perceptual_hash(small), ssim=likeness)


def look_at_all(tasks: list[Task]) -> list[Facts]:
    """Facts of a handful of images: what one process is given at a time."""
    return [look_at(task) for task in tasks]


def reduced(image: Image.Image) -> Pixels:
    """The image (H, W, 3) with its longest side brought down to SIDE pixels; smaller ones stay as they are."""
    scale = SIDE / max(image.size)
    pixels = np.asarray(image, np.uint8)
    if scale >= 1:
        return pixels
    width, height = (max(1, round(side * scale)) for side in image.size)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def perceptual_hash(small: Pixels) -> str | None:
    """64-bit hash of a picture (H, W, 3) as 16 hex digits; None where it is one flat tone, for then noise decides."""
    import imagehash

    tiny = cv2.resize(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    if float(np.asarray(tiny, np.float64).std()) < FLATTEST:
        return None
    return str(imagehash.phash(Image.fromarray(small)))


def _likeness(size: tuple[int, int], small: Pixels, task: Task) -> float | None:
    assert task.reference is not None
    try:
        reference_size, reference = _reference(task.reference, task.max_pixels)
        if size != reference_size:
            ratio = (size[0] * reference_size[1]) / (size[1] * reference_size[0])
            if abs(ratio - 1) > _SAME_SHAPE:
                return None
            shape = (small.shape[1], small.shape[0])
            reference = np.asarray(cv2.resize(reference, shape, interpolation=cv2.INTER_AREA), np.uint8)
        return ssim(reference, small)
    except (LoupeError, OSError):
        # The reference has a row of its own, which says what is wrong with it; or both are too small to compare.
        return None


@lru_cache(maxsize=4)
def _reference(stamp: Stamp, max_pixels: int) -> tuple[tuple[int, int], Pixels]:
    """Size and reduced pixels; images of a reference come one after the other."""
    image = open_image(stamp.path, max_pixels=max_pixels)
    return image.size, reduced(image)
