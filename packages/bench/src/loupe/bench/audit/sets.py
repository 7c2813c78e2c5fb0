"""The images that an audit needs beside the split: undamaged ones, and shallow depth of field beside real blur.

They are written as a small data folder of their own, so that the evaluation plays them like any other. Undamaged images
are those of the split whose degradation is known to be none; a split without such labels has none, and the rows that
need them stay grey. What is there already is not made again.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from loupe.bench.audit.config import AuditConfig
from loupe.core.files import inside, write_jsonl
from loupe.core.images import open_image, write_png
from loupe.core.records import WHOLE, Box, Degradation, Sample
from loupe.data.degrade import CLEAN, Pixels
from loupe.data.evidence import measure_views
from loupe.data.shallow_focus import blur_subject, blur_whole, draw_subject, shallow_focus

PRISTINE, SHALLOW = "pristine", "shallow"
"""Splits of the folder."""
KINDS = ("shallow", "whole", "subject")
"""What is made of an undamaged image: shallow depth of field, blur of all of it, blur of its subject. It is the name of
the data set that such a sample says it comes from."""

Made = Callable[[], None]
"""Called for each image that is there."""


def undamaged(samples: Sequence[Sample]) -> list[Sample]:
    """Samples that are labelled as having no degradation, in their order."""
    return [item for item in samples if item.degradation is not None and item.degradation.distortion_class is None]


def make_sets(
    samples: Sequence[Sample], folder: Path, *, config: AuditConfig, made: Made = lambda: None
) -> dict[str, list[Sample]]:
    """Write the images and {pristine,shallow}.jsonl into `folder` from the whole split `samples`; the rows by split.

    A split without rows has no file. Raises DataError and ImageError for an image that cannot be read.
    """
    data, clean = Path(config.data), undamaged(samples)[: config.pristine]
    rows: dict[str, list[Sample]] = {PRISTINE: [], SHALLOW: []}
    for place, sample in enumerate(clean):
        rows[PRISTINE].append(_copied(sample, data, folder, place=place))
        made()
        if place < config.shallow:
            rows[SHALLOW] += _versions(sample, data, folder, place=place, config=config, made=made)
    for split, items in rows.items():
        if items:
            write_jsonl(folder / f"{split}.jsonl", [item.to_json() for item in items])
    return rows


def count_images(samples: Sequence[Sample], config: AuditConfig) -> dict[str, int]:
    """Images of each split that `make_sets` will make."""
    clean = min(len(undamaged(samples)), config.pristine)
    return {PRISTINE: clean, SHALLOW: min(clean, config.shallow) * len(KINDS) * len(set(config.strengths))}


def source_of(sample: Sample) -> str:
    """Id of the undamaged image that a made one comes from; of any other image its own."""
    return sample.id.rsplit("~", 1)[0] if sample.split == SHALLOW else sample.id


def _copied(sample: Sample, data: Path, folder: Path, *, place: int) -> Sample:
    name = f"images/{place:04d}.png"
    if not (folder / name).is_file():
        _write(folder / name, _pixels(sample, data))
    return _row(sample, sample.id, name, kind=sample.dataset, rating=sample.rating, degradation=CLEAN, hard=False)


def _versions(sample: Sample, data: Path, folder: Path, *, place: int, config: AuditConfig, made: Made) -> list[Sample]:
    pixels = _pixels(sample, data)
    # The place of the subject hangs on the image and the seed alone, not on which other images there are.
    subject = draw_subject(np.random.default_rng([config.seed, *sample.id.encode()]))
    rows: list[Sample] = []
    for strength in dict.fromkeys(config.strengths):
        for kind, (version, degradation) in _blurred(pixels, subject, strength=strength).items():
            id, name = f"{sample.id}~{kind}{strength}", f"images/{place:04d}-{kind}-{strength}.png"
            if not (folder / name).is_file():
                _write(folder / name, version)
            seen = measure_views(id, pixels, version)
            # Blur that was meant is no loss: the picture keeps the rating of its sharp original.
            rating, hard = (sample.rating, False) if kind == "shallow" else (seen.rating, seen.hard)
            rows.append(_row(sample, id, name, kind=kind, rating=rating, degradation=degradation, hard=hard))
            made()
    return rows


def _blurred(pixels: Pixels, subject: Box, *, strength: int) -> dict[str, tuple[Pixels, Degradation]]:
    """Picture and label of each of KINDS."""
    return {
        "shallow": (shallow_focus(pixels, subject, strength=strength), CLEAN),
        "whole": (blur_whole(pixels, strength=strength), Degradation("blur", strength, WHOLE, "lens")),
        "subject": (
            blur_subject(pixels, subject, strength=strength),
            Degradation("blur", strength, subject, "lens"),
        ),
    }


def _row(
    sample: Sample, id: str, image: str, *, kind: str, rating: float, degradation: Degradation, hard: bool
) -> Sample:
    return Sample(
        id=id,
        image=image,
        dataset=kind,
        split=SHALLOW if kind in KINDS else PRISTINE,
        rating=rating,
        mos=rating,
        ref_id=sample.group,
        degradation=degradation,
        hard=hard,
    )


def _pixels(sample: Sample, data: Path) -> Pixels:
    return np.asarray(open_image(inside(data, sample.image)), np.uint8)


def _write(path: Path, pixels: Pixels) -> None:
    write_png(path, Image.fromarray(pixels), compress_level=1)
