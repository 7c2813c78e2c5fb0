"""Real photographs without a download: those that come inside scikit-image and scikit-learn, where they are installed.

They serve to test on photographs an agent that has never seen one. Pictures of other kinds that lie beside them
(drawings, microscopy, deliberately blurred ones) are left out.
"""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from loupe.core.errors import MissingFileError

_NAMES = """
astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png motorcycle_left.png rocket.jpg
"""
_PHOTOS = {"skimage": ("data", _NAMES.split()), "sklearn": ("datasets/images", ["china.jpg", "flower.jpg"])}


def copy_sample_photos(out: Path) -> list[Path]:
    """Copy the photographs into a folder and return their paths. Raises MissingFileError where a library is missing."""
    sources = [source for package, (folder, names) in _PHOTOS.items() for source in _files(package, folder, names)]
    out.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(source, out / source.name)) for source in sources]


def _files(package: str, folder: str, names: Sequence[str]) -> list[Path]:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingFileError(
            f"{package} is not installed; its photographs are wanted: pip install scikit-image scikit-learn"
        )
    found = [Path(spec.origin).parent / folder / name for name in names]
    if missing := [path.name for path in found if not path.is_file()]:
        raise MissingFileError(f"{package} comes without {', '.join(missing)}; install the version in constraints.txt")
    return found
