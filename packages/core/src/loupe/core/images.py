"""One way from a file of a picture to RGB pixels, the same for training data and for whatever a user points at.

A person sees the picture upright, over white, in its first frame, and with the greys that it was saved with: so does
the agent. Sizes are checked on the header, before a pixel is decoded, so that a small file cannot ask for all the
memory. What cannot be judged is an ImageError of one line that names the file. Colour profiles are applied to CMYK
only; RGB is taken as it is stored, as image-quality data sets are read everywhere.
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from loupe.core.errors import ImageError, MissingFileError
from loupe.core.files import write_bytes_atomic
from loupe.core.numbers import count
from loupe.core.printable import printable

MIN_SIDE = 8
MAX_SIDE = 20_000
MAX_ASPECT = 100
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is decoded. Formats that run an interpreter (EPS, PDF) stay out: the files are untrusted."""

_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders are seen to raise on damaged files."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its EXIF orientation."""
_LYING = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def open_image(path: Path | str, *, max_pixels: int = 64_000_000) -> Image.Image:
    """RGB picture in a file: EXIF orientation applied, alpha over white, first frame, 16-bit grey scaled to 8 bits.

    Raises MissingFileError where there is no file, ImageError where it is empty, damaged or no picture, smaller than
    8 px a side, over 20,000 px a side or `max_pixels` in all, or more than 100 times as long as wide.
    """
    name = printable(str(path))
    source = Path(path)
    if source.is_dir():
        raise ImageError(f"{name}: is a folder; wanted an image file")
    if not source.exists():
        raise MissingFileError(f"{name}: no such file; check the path")
    if not source.is_file():
        raise ImageError(f"{name}: is no regular file; wanted an image file")
    try:
        return _decode(source, name=name, max_pixels=max_pixels)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        empty = source.stat().st_size == 0
        reason = (
            "is empty; copy it again"
            if empty
            else "is no image that can be read; wanted JPEG, PNG, WebP, TIFF, BMP, GIF"
        )
        raise ImageError(f"{name}: {reason}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name}: {_too_many(max_pixels)}") from error
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name}: cannot be decoded ({_reason(error)}); save or download it again") from error


def rgb_of(image: Image.Image, *, name: str = "the image", max_pixels: int = 64_000_000) -> Image.Image:
    """RGB picture of one that Pillow holds, brought to what `open_image` gives of its file; `image` is not changed.

    Raises ImageError where `open_image` does.
    """
    try:
        return _upright(image, name=name, max_pixels=max_pixels)
    except ImageError:
        raise
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name}: cannot be decoded ({_reason(error)}); save or download it again") from error


def size_of(path: Path | str, *, max_pixels: int = 64_000_000) -> tuple[int, int]:
    """Width and height of the picture that `open_image` gives, of a JPEG or PNG without decoding it, as a rule.

    The file is read to its end. Raises what `open_image` raises; only data that are wrong between a sound beginning and
    a sound end are not seen.
    """
    try:
        size = _size_in_header(Path(path), max_pixels=max_pixels)
    except (Image.DecompressionBombError, ImageError, *_DECODER_ERRORS):
        size = None
    # What is not known to be sound is decoded: that decides, and says in one line what is wrong.
    return open_image(path, max_pixels=max_pixels).size if size is None else size


def _size_in_header(path: Path, *, max_pixels: int) -> tuple[int, int] | None:
    """Upright size of a JPEG that ends as one, or of a PNG whose checksums are right; None for anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image.size, name=str(path), max_pixels=max_pixels)
            size, kind = image.size, image.format
            # Of a PNG the orientation may come last, so the library decodes it all to know; a square needs none.
            if size[0] != size[1] and _orientation(image) in _LYING:
                size = size[1], size[0]
        if kind == "PNG":
            with Image.open(path, formats=FORMATS) as image:
                image.verify()
            return size
        return size if kind == "JPEG" and _ends_as_jpeg(path.read_bytes()) else None


def _ends_as_jpeg(data: bytes) -> bool:
    """Whether an end of image follows the last start of a scan; a preview in the header has both before that."""
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def write_png(path: Path | str, image: Image.Image, *, compress_level: int = 6) -> None:
    """Write a picture as PNG, so that a reader sees the old file or the new one. Makes missing folders."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=compress_level)
    write_bytes_atomic(path, buffer.getvalue())


def _decode(path: Path, *, name: str, max_pixels: int) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow's own warning about large pictures, and those about odd metadata: the limits here are stricter.
        warnings.simplefilter("ignore")
        with Image.open(path, formats=FORMATS) as image:
            return _upright(image, name=name, max_pixels=max_pixels)


def _upright(image: Image.Image, *, name: str, max_pixels: int) -> Image.Image:
    _check_size(image.size, name=name, max_pixels=max_pixels)
    image.load()
    _check_size(image.size, name=name, max_pixels=max_pixels)
    turn = _TURNS.get(_orientation(image))
    rgb = _to_rgb(image, name=name)
    if turn is not None:
        rgb = rgb.transpose(turn)
    # The tags describe the file, not these pixels: a second reader would rotate again.
    rgb.info = {}
    return rgb


def _check_size(size: tuple[int, int], *, name: str, max_pixels: int) -> None:
    width, height = size
    shape = f"{name}: is {count(width)} x {count(height)} px"
    if min(size) < MIN_SIDE:
        raise ImageError(f"{shape}; wanted at least {MIN_SIDE} px a side; there is too little to judge")
    if max(size) > MAX_SIDE:
        raise ImageError(f"{shape}; wanted at most {count(MAX_SIDE)} px a side; cut it into windows or make it smaller")
    if width * height > max_pixels:
        raise ImageError(f"{shape}; {_too_many(max_pixels)}")
    if max(size) > MAX_ASPECT * min(size):
        raise ImageError(f"{shape}; wanted sides of a ratio up to {MAX_ASPECT}; cut it into windows")


def _too_many(max_pixels: int) -> str:
    return f"wanted at most {count(max_pixels)} pixels in all; cut it into windows or make it smaller"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 (as stored) where the metadata is missing or damaged: the pixels are fine."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, *, name: str) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        return _from_16_bit(image)
    if image.mode in ("I", "F", "LAB"):
        raise ImageError(f"{name}: holds values of mode {image.mode}, whose scale is not known; save it as 8 or 16 bit")
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Greys 0..65535 brought to 0..255, rounded; Pillow's own conversion would clip at 255."""
    grey = np.asarray(image).astype(np.uint32)
    return Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Through the embedded colour profile where it can be used, else by the plain complement."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB")
        except (ImageCms.PyCMSError, *_DECODER_ERRORS):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _reason(error: Exception) -> str:
    lines = printable(str(error)).splitlines()
    return lines[0][:100] if lines else type(error).__name__
