"""Traps of lists that hold more images than were rated, or fewer than the set has: LIVE in the Wild, LIVE, CSIQ."""

from pathlib import PurePosixPath

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.core.records import Sample
from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.finding import Status, named
from loupe.data.audit.folder import Seen
from loupe.data.audit.traps.trap import Met

LIVEC_TRAINING = frozenset(f"t{number}" for number in range(1, 8))
LIVEC_ROWS, LIVE_ROWS, CSIQ_ROWS = 1169, 982, 750
"""Rows of the lists with these traps; the sets have 1162, 779 and 866 images."""
CSIQ_TYPES = ("awgn", "contrast", "fnoise", "jpeg")
"""Types by which a list of CSIQ is known to hold several."""


def livec_training_images(rated: Rated) -> Met | None:
    """The first seven rows of the release are t1 to t7, on which its subjects were trained."""
    found = [sample.image for sample in rated.samples if _stem(sample) in LIVEC_TRAINING]
    if not found and len(rated.samples) != LIVEC_ROWS:
        return None
    words = f"{len(found)} of the 7 images t1 to t7 that the subjects were trained on"
    if not found:
        words = (
            f"{numbers.count(LIVEC_ROWS)} rows, where the set has 1,162: the 7 images of the training are among them"
        )
    return Met(Status.FAIL, words, "drop these rows", named(printable(name) for name in found))


def live_reference_copies(rated: Rated, seen: Seen) -> Met | None:
    """A list of all 982 files holds 203 copies of the references, which nobody rated: their DMOS is 0."""
    copies = [sample for sample in rated.samples if _is_copy(sample, seen)]
    if not copies and len(rated.samples) != LIVE_ROWS:
        return None
    words = f"{numbers.count(len(copies))} rows are copies of their reference, of 203 in the lists with this trap"
    if not copies:
        words = f"{LIVE_ROWS} rows, where the set has 779 distorted images: 203 copies of references are among them"
    return Met(Status.FAIL, words, "drop the rows with orgs = 1", named(printable(sample.image) for sample in copies))


def csiq_without_blur(rated: Rated) -> Met | None:
    """A widely used list has lost all images with blur: 750 of 866."""
    words = [f"{sample.distortion or ''} {_stem(sample)}".lower() for sample in rated.samples]
    blurred = any("blur" in word for word in words)
    several = sum(any(kind in word for word in words) for kind in CSIQ_TYPES) > 1
    if blurred or not (several or len(words) == CSIQ_ROWS):
        return None
    return Met(
        Status.WARN,
        f"{numbers.count(len(words))} rows, none of them with blur: the release has 866, of 6 distortions",
        "take the labels of the release (csiq.DMOS.xlsx), where blurred images are listed as `blur`",
    )


def _is_copy(sample: Sample, seen: Seen) -> bool:
    """The image has the bytes of its reference, or the opinion that copies were given."""
    image, reference = seen.facts.get(sample.image), seen.references.get(sample.reference or "")
    same = image is not None and reference is not None and image.sha256 == reference.sha256 is not None
    return same or (not sample.higher_is_better and sample.mos == 0)


def _stem(sample: Sample) -> str:
    return PurePosixPath(sample.image).stem.lower()
