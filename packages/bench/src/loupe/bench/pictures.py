"""Pictures by name and by pixels: which files are meant, and what tells one picture from another under any name."""

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

from PIL import Image

from loupe.core.errors import MissingFileError
from loupe.core.images import FORMATS


def find_images(words: Sequence[Path]) -> list[Path]:
    """The files that `words` name: files as they stand, and the picture files below each folder, sorted by path.

    Raises MissingFileError for a folder without any, before anything is judged.
    """
    found: list[Path] = []
    for word in words:
        inside = sorted(path for path in word.rglob("*") if _is_picture(path)) if word.is_dir() else [word]
        if not inside:
            raise MissingFileError(f"{word}: no picture files in this folder; wanted names like photo.jpg or photo.png")
        found += inside
    return list(dict.fromkeys(found))


def fingerprint_of(*images: Image.Image) -> str:
    """24 hex digits of the pixels and sizes of images in this order: what a judgement of them hangs on."""
    digest = blake2b(digest_size=12)
    for item in images:
        digest.update(f"{item.size}".encode() + item.tobytes())
    return digest.hexdigest()


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _suffixes() and not path.name.startswith(".") and path.is_file()


@cache
def _suffixes() -> frozenset[str]:
    """Names that are taken for pictures inside a folder; a file that is named itself may be called anything."""
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
