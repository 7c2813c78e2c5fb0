"""The pictures of a run, looked at before the first request: what is found out later has been paid for.

Headers alone are read, so a file that is damaged further on is found out when it is opened.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from loupe.core.errors import DataError, ImageError
from loupe.core.files import inside
from loupe.core.images import FORMATS, MAX_ASPECT, MAX_SIDE, MIN_SIDE, open_image
from loupe.core.numbers import count
from loupe.core.records import Sample
from loupe.sft.rationales.hints import LEAST_SIDE

_NAMED = 3
_MANY_PIXELS = 64_000_000
"""What is at or above this is opened: whoever opens it later has the last word."""


def check_ids(samples: Iterable[Sample]) -> None:
    """Raises DataError for an id that stands in two splits: what is known of an item is kept by its id."""
    twice = [name for name, times in Counter(sample.id for sample in samples).items() if times > 1]
    if twice:
        raise DataError(
            f"{_listed(twice)} stand in more than one of the splits; wanted ids of their own: rename them in one split"
        )


def check_pictures(folder: Path, samples: Sequence[Sample]) -> None:
    """Raises DataError naming the pictures that are missing or lie outside of the folder, ImageError those that cannot
    be judged."""
    paths = {sample.image: inside(folder, sample.image) for sample in samples}
    if gone := [name for name, path in paths.items() if not path.is_file()]:
        raise DataError(f"{folder}: {_listed(gone)} not there; put the images back, or take their rows out")
    if bad := [reason for path in paths.values() if (reason := _unfit(path)) is not None]:
        more = f"; and {len(bad) - 1} more images" if len(bad) > 1 else ""
        raise ImageError(f"{bad[0]}{more}; mend them, or take their rows out")


def check_measurable(folder: Path, samples: Iterable[Sample]) -> None:
    """Raises ImageError for the first picture that is too small to be measured; all of them can be opened."""
    for sample in samples:
        with Image.open(inside(folder, sample.image), formats=FORMATS) as image:
            width, height = image.size
        if min(width, height) < LEAST_SIDE:
            raise ImageError(
                f"{sample.image}: is {count(width)} x {count(height)} px; wanted at least {LEAST_SIDE} px a side; "
                "there is too little to measure: take its row out"
            )


def _unfit(path: Path) -> str | None:
    """Why `open_image` refuses a file, as far as its header tells; None for nothing."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            small, large = sorted(image.size)
        if small >= MIN_SIDE and large <= MAX_SIDE and large <= MAX_ASPECT * small and small * large < _MANY_PIXELS:
            return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass  # Who opens it says in one line what is wrong.
    try:
        open_image(path)
    except ImageError as error:
        return str(error)
    return None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
