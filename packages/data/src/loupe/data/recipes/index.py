"""Where the images of a release lie: one walk over the folder, then a look-up a row.

A name in a label file is matched by its last parts (`dst_imgs/awgn/x.png` by `x.png` or `awgn/x.png`), exactly first,
and with the case ignored only where that fails: TID2013 mixes `I01` and `i25` in one release. There an accent is the
same as one sign or as two, for archives made on a Mac have two. Two files that fit are an error, never a guess. Ours.
"""

from collections.abc import Iterable, Sequence
from unicodedata import normalize

from loupe.core.errors import DataError
from loupe.core.printable import printable
from loupe.data.photos import SUFFIXES
from loupe.data.recipes.globs import compile_globs

EXTENSIONS = (*SUFFIXES, ".ppm", ".jp2", ".gif")
"""Endings of what counts as an image file, small letters."""


class ImageIndex:
    """Image files below a folder, by the parts of their names; notes which of them were asked for."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}
        self._used: set[str] = set()
        for path in paths:
            name = path.rpartition("/")[2]
            self._exact.setdefault(name, []).append(path)
            self._folded.setdefault(_fold(name), []).append(path)

    def __len__(self) -> int:
        return sum(map(len, self._exact.values()))

    def find(self, name: str) -> str | None:
        """Relative path of the file that `name` means, None where there is none; the file counts as used.

        Raises DataError where several fit, or where `name` has a part that leads upwards.
        """
        parts = parts_of(name)
        if not parts:
            return None
        found = _ending(self._exact.get(parts[-1], ()), parts)
        if not found:
            lower = [_fold(part) for part in parts]
            found = _ending(self._folded.get(lower[-1], ()), lower, fold=True)
        if len(found) > 1:
            shown = ", ".join(printable(path) for path in found[:3])
            raise DataError(
                f"{printable(name)} may be any of {len(found)} files ({shown}); narrow `images` to one folder"
            )
        if not found:
            return None
        self._used.add(found[0])
        return found[0]

    def unused(self) -> list[str]:
        """Files that no row asked for, sorted."""
        return sorted(path for paths in self._exact.values() for path in paths if path not in self._used)


def index_images(files: Iterable[str], patterns: Sequence[str]) -> ImageIndex:
    """Index of the image files among the relative paths of a release that match a glob."""
    wanted = compile_globs(patterns)
    return ImageIndex(path for path in files if path[path.rfind(".") :].lower() in EXTENSIONS and wanted.match(path))


def _fold(name: str) -> str:
    """A name as it is compared where its case, and how its accents are stored, shall not matter."""
    return name.casefold() if name.isascii() else normalize("NFC", name).casefold()


def parts_of(name: str) -> list[str]:
    """Folders and file of a path in a label file, with either slash. Raises DataError where it leads upwards."""
    if "/" not in name and "\\" not in name:
        parts = [] if name in ("", ".") else [name]
    else:
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise DataError(f"{printable(name)[:120]!r} leads upwards; wanted the name of a file below root")
    return parts


def _ending(paths: Sequence[str], parts: list[str], *, fold: bool = False) -> list[str]:
    """Those of the paths whose last parts are `parts`."""
    if len(parts) == 1:
        return list(paths)
    tail = "/" + "/".join(parts)
    return [path for path in paths if ("/" + (_fold(path) if fold else path)).endswith(tail)]
