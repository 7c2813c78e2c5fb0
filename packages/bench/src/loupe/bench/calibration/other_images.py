"""Whether calibration can promise anything at all: enough images, none of them judged, none of a judged reference.

Names of references mean something within one data folder alone; between two folders the files of images are compared,
byte by byte, so that a copy of the judged split is found under any name. A picture that was saved again is not.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from loupe.bench.calibration.config import CalibrateConfig
from loupe.bench.calibration.conformal import least_units
from loupe.core.errors import DataError
from loupe.core.files import inside, sha256_file
from loupe.core.records import Sample
from loupe.data.store import load_samples


def check_images(config: CalibrateConfig, folder: Path, split: str) -> None:
    """Raises DataError where `split` of `folder` has too few references, or some that are judged."""
    mine, theirs = load_samples(folder, split), load_samples(Path(config.data), config.split)
    groups = {sample.group for sample in mine}
    units = len(mine) if config.by == "image" else len(groups)
    if units < least_units(config.alpha):
        raise DataError(
            f"calibrate: {folder}/{split}.jsonl has {units} {'images' if config.by == 'image' else 'references'}; "
            f"alpha {config.alpha} takes at least {least_units(config.alpha)}: give more images, or a larger alpha"
        )
    if folder.resolve() == Path(config.data).resolve():
        what, both = "references", sorted(groups & {sample.group for sample in theirs})
    else:
        what, both = "images", _same_files(folder, mine, Path(config.data), theirs)
    if both:
        raise DataError(
            f"calibrate: {len(both)} {what} are in {split} and in {config.split} ({both[0]!r:.60}); what is measured "
            "would promise too much: calibrate on images of other references"
        )


def _same_files(folder: Path, mine: Sequence[Sample], data: Path, theirs: Sequence[Sample]) -> list[str]:
    """Ids of `mine` whose file is that of one of `theirs` too. Files of a size of their own are not read."""
    digest = cache(sha256_file)
    judged: dict[int, list[Path]] = {}
    for path in (inside(data, sample.image) for sample in theirs):
        if path.is_file():
            judged.setdefault(path.stat().st_size, []).append(path)
    return [
        sample.id
        for sample in mine
        if (path := inside(folder, sample.image)).is_file()
        and any(digest(path) == digest(other) for other in judged.get(path.stat().st_size, ()))
    ]
