"""All views of a synthetic data folder in memory: overviews and full images as bytes, with what each view shows.

30,000 images of 224 pixels take 4.5 GB and their overviews 1.1 GB; decoding them once instead of once a step is what
keeps a CPU busy with learning.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from loupe.core.errors import DataError
from loupe.core.files import inside
from loupe.core.records import WHOLE, Sample
from loupe.data.degrade import REGIONS, pixel_slices
from loupe.data.evidence import Evidence, overlap
from loupe.data.rationale import SHOWN
from loupe.data.store import load_evidence, load_samples


@dataclass(frozen=True)
class Views:
    """Images (N, H, W, 3) and overviews (N, side, side, 3) of one split, in the order of its samples."""

    samples: list[Sample]
    evidence: list[Evidence]
    images: npt.NDArray[np.uint8]
    overviews: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.samples)

    def crop(self, index: int, region: int) -> npt.NDArray[np.uint8]:
        """Pixels of one of the nine regions at full resolution."""
        image = self.images[index]
        return image[pixel_slices(REGIONS[region], *image.shape[:2])]

    def region_shows(self, index: int, region: int) -> bool:
        """Whether a crop of the region shows the damage."""
        truth = self.samples[index].degradation
        return truth is not None and overlap(truth, REGIONS[region]) >= SHOWN

    def true_region(self, index: int) -> int:
        """Number of the damaged region; of the worst one where the whole image is damaged."""
        truth = self.samples[index].degradation
        box = truth.bbox_2d if truth is not None else None
        return REGIONS.index(box) if box in REGIONS else int(np.argmin(self.evidence[index].region_ratings))

    def draw_region(self, index: int, rng: np.random.Generator) -> int:
        """The damaged region half of the time, any of the nine otherwise."""
        truth = self.samples[index].degradation
        local = truth is not None and truth.bbox_2d not in (None, WHOLE)
        return self.true_region(index) if local and rng.random() < 0.5 else int(rng.integers(len(REGIONS)))


def load_views(folder: Path, split: str, *, side: int, jpeg_share: float = 0.0, seed: int = 0) -> Views:
    """All views of a split; overviews are scaled as the image processor scales them. Raises DataError for mixed sizes.

    A share `jpeg_share` of the images goes through JPEG at a quality of 85 to 97 first: that is how people keep
    photographs, and an agent that has never seen it takes every file for a compressed one.
    """
    samples, evidence = load_samples(folder, split), load_evidence(folder, split)
    if [sample.id for sample in samples] != [item.id for item in evidence]:
        raise DataError(f"{folder}: {split}.jsonl and evidence/{split}.jsonl name other images; build the data again")
    if not samples:
        raise DataError(f"{folder}: {split}.jsonl is empty; perception training wants images in train and val")

    rng = np.random.default_rng(seed)
    qualities = np.where(rng.random(len(samples)) < jpeg_share, rng.integers(85, 98, len(samples)), 0).tolist()

    with Image.open(inside(folder, samples[0].image)) as first:
        size = first.size
    images = np.empty((len(samples), size[1], size[0], 3), np.uint8)
    overviews = np.empty((len(samples), side, side, 3), np.uint8)

    def read(index: int) -> None:
        with Image.open(inside(folder, samples[index].image)) as file:
            if file.size != size:
                raise DataError(f"{folder}: images of several sizes; perception training wants one size")
            picture = file.convert("RGB")
        if qualities[index]:
            picture = _through_jpeg(picture, qualities[index])
        images[index] = np.asarray(picture)
        overviews[index] = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))

    # Decoding releases the interpreter lock; the arrays are filled in place, for two copies of them would not fit.
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(read, range(len(samples))):
            pass
    return Views(samples, evidence, images, overviews)


def _through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
