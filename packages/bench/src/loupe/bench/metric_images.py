"""Whatever people hand to an image metric, as RGB pictures: paths, Pillow images, arrays, tensors, lists of them.

Arrays and tensors are taken by what they can do, so that no tensor library is imported. Integers are 0..255, floating
numbers 0..1. A picture has sides of eight pixels or more, so the axis of 1 or 3 is the channels: HWC and CHW are told
apart by shape alone. What is ambiguous or out of range is refused, never stretched. The rules are ours.
"""

import io
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loupe.core.errors import DataError, ImageError
from loupe.core.images import FORMATS, MIN_SIDE, open_image, rgb_of
from loupe.core.numbers import fixed

SLACK = 1e-3
"""How far beyond 0..1 a floating number may lie: resizing leaves such crumbs, and they are cut off."""
_WANTED = "wanted a path, a Pillow image, an array or tensor (H, W), (H, W, C), (C, H, W) or (N, C, H, W), or a list"


def items_of(images: Any) -> tuple[list[Any], bool]:
    """The images in `images` as they are, and whether they were many: a list, a tuple or an array with a batch axis.

    Raises DataError for a list of numbers, which is no list of images.
    """
    if isinstance(images, list | tuple):
        items: list[Any] = list(cast(Sequence[Any], images))
        if items and isinstance(items[0], int | float):
            raise DataError(f"got numbers for images; {_WANTED}")
        return items, True
    if _is_array(images):
        array = array_of(images)
        return (list(array), True) if array.ndim == 4 else ([array], False)
    return [images], False


def picture_of(image: Any, *, name: str = "the image") -> Image.Image:
    """RGB picture of one image; `name` is what errors call one that has no path.

    Raises DataError for an array that is no picture, ImageError and MissingFileError as `open_image`.
    """
    if isinstance(image, str | PathLike):
        return open_image(Path(cast(str, image)))
    if isinstance(image, Image.Image):
        return rgb_of(image, name=name)
    if isinstance(image, Mapping):
        return _stored(cast(Mapping[str, Any], image), name=name)
    if _is_array(image) or isinstance(image, list):
        return _picture(array_of(image), name=name)
    raise DataError(f"{name}: got {type(image).__name__}; {_WANTED}")


def _stored(image: Mapping[str, Any], *, name: str) -> Image.Image:
    """A picture as data sets store it undecoded: its bytes, or its path where there are none."""
    data, path = image.get("bytes"), image.get("path")
    if isinstance(data, bytes):
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return rgb_of(opened, name=name)
        except (OSError, Image.DecompressionBombError) as error:
            raise ImageError(f"{name}: its bytes are no image that can be read; store it again") from error
    if isinstance(path, str):
        return open_image(path)
    raise DataError(f"{name}: got a mapping without bytes or a path; {_WANTED}")


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, Image.Image)


def array_of(value: Any) -> NDArray[Any]:
    """`value` as a numpy array; a tensor leaves its graph and its device first.

    Raises DataError for what makes no regular array: ragged lists, sparse tensors.
    """
    for step in ("detach", "cpu"):
        value = getattr(value, step)() if callable(getattr(value, step, None)) else value
    if "bfloat16" in str(getattr(value, "dtype", "")):
        # numpy has no such numbers.
        value = value.float()
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"got {type(value).__name__} that makes no regular array ({error}); {_WANTED}") from error


def _picture(array: NDArray[Any], *, name: str) -> Image.Image:
    pixels = _bytes(_channels_last(array, name=name), name=name)
    return rgb_of(Image.fromarray(pixels), name=name)


def _channels_last(array: NDArray[Any], *, name: str) -> NDArray[Any]:
    """(H, W) for one channel, (H, W, 3) for three."""
    shape = array.shape
    if array.ndim == 4 and shape[0] == 1:
        return _channels_last(array[0], name=name)
    if array.ndim == 3 and shape[2] in (1, 3) and min(shape[:2]) >= MIN_SIDE:
        return array[..., 0] if shape[2] == 1 else array
    if array.ndim == 3 and shape[0] in (1, 3) and min(shape[1:]) >= MIN_SIDE:
        return array[0] if shape[0] == 1 else np.moveaxis(array, 0, -1)
    if array.ndim == 2 and min(shape) >= MIN_SIDE:
        return array
    raise DataError(
        f"{name}: got an array of shape {shape}; wanted (H, W), (H, W, C) or (C, H, W), or in a batch (N, C, H, W), "
        f"with 1 or 3 channels and at least {MIN_SIDE} px a side"
    )


def _bytes(array: NDArray[Any], *, name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise DataError(f"{name}: got numbers of type {array.dtype}; wanted integers 0..255 or floating numbers 0..1")
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.integer):
        if low < 0 or high > 255:
            raise DataError(f"{name}: got integers from {int(low)} to {int(high)}; wanted 0..255; scale them first")
        return np.ascontiguousarray(array.astype(np.uint8))
    if not np.isfinite(array).all():
        raise DataError(f"{name}: got numbers that are NaN or infinite; wanted 0..1; look where they come from")
    if low < -SLACK or high > 1.0 + SLACK:
        raise DataError(
            f"{name}: got floating numbers from {fixed(low, 2)} to {fixed(high, 2)}; wanted 0..1; undo a "
            "normalisation, clamp what a resize overshot, or divide by 255"
        )
    return np.ascontiguousarray((np.clip(array.astype(np.float64), 0.0, 1.0) * 255.0).round().astype(np.uint8))
