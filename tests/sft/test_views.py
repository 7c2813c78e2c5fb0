"""Views in memory are the pixels of the files, and what each shows follows from where the damage is."""

import shutil
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Box, Degradation, Sample
from loupe.data.degrade import REGIONS
from loupe.data.evidence import Evidence
from loupe.sft.views import Views, load_views

TOP_LEFT = (0.0, 0.0, 0.5, 0.5)
CENTRE = (0.25, 0.25, 0.75, 0.75)
BOTTOM_RIGHT = (0.5, 0.5, 1.0, 1.0)


def made(box: Box | None, *, worst: int = 5) -> Views:
    """One grey image with blur in a box; region `worst` has the lowest rating."""
    truth = Degradation("blur" if box else None, 3 if box else 0, box)
    sample = Sample("a", "images/a.png", "made", "train", rating=2.0, mos=2.0, degradation=truth)
    ratings = tuple(1.0 if region == worst else 4.0 for region in range(9))
    image = np.full((1, 224, 224, 3), 128, np.uint8)
    return Views([sample], [Evidence("a", 2.0, 3.0, ratings)], image, image[:, ::2, ::2])


@pytest.fixture(scope="module")
def views(synthetic_folder: Path) -> Views:
    return load_views(synthetic_folder, "train", side=112)


def test_images_are_those_of_the_files_in_the_order_of_the_labels(views: Views, synthetic_folder: Path) -> None:
    assert len(views) == len(views.samples) == len(views.images) == len(views.overviews) == 20
    for sample, pixels, overview in zip(views.samples, views.images, views.overviews, strict=True):
        picture = Image.open(synthetic_folder / sample.image)
        assert np.array_equal(np.asarray(picture), pixels)
        assert np.array_equal(np.asarray(picture.resize((112, 112), Image.Resampling.BICUBIC)), overview)


def test_a_crop_is_a_region_at_full_resolution(views: Views) -> None:
    place = REGIONS.index(BOTTOM_RIGHT)
    assert np.array_equal(views.crop(0, place), views.images[0][112:, 112:])
    assert views.crop(0, REGIONS.index(CENTRE)).shape == (112, 112, 3)


def test_a_share_of_the_images_is_seen_through_jpeg_the_same_ones_each_time(
    views: Views, synthetic_folder: Path
) -> None:
    half, again = (load_views(synthetic_folder, "train", side=112, jpeg_share=0.5, seed=4) for _ in range(2))
    assert np.array_equal(half.images, again.images)
    changed = [not np.array_equal(a, b) for a, b in zip(half.images, views.images, strict=True)]
    assert 4 <= sum(changed) <= 16
    every = load_views(synthetic_folder, "train", side=112, jpeg_share=1.0, seed=4)
    assert all(not np.array_equal(a, b) for a, b in zip(every.images, views.images, strict=True))


def test_jpeg_is_of_good_quality(views: Views, synthetic_folder: Path) -> None:
    every = load_views(synthetic_folder, "train", side=112, jpeg_share=1.0)
    possible = set()
    for quality in range(85, 98):
        buffer = BytesIO()
        Image.fromarray(views.images[0]).save(buffer, "JPEG", quality=quality)
        possible.add(np.asarray(Image.open(buffer).convert("RGB")).tobytes())
    assert every.images[0].tobytes() in possible


def test_a_region_shows_the_damage_where_they_overlap_by_a_fifth() -> None:
    views = made(TOP_LEFT)
    shown = {region for number, region in enumerate(REGIONS) if views.region_shows(0, number)}
    # Two regions that lie half a region apart share a half, or a quarter at a corner: both are enough.
    assert shown == {box for box in REGIONS if box[0] < 0.5 and box[1] < 0.5}
    assert len(shown) == 4
    assert not any(made(None).region_shows(0, number) for number in range(9))
    assert all(made(WHOLE).region_shows(0, number) for number in range(9))


def test_the_true_region_is_the_damaged_one_or_the_worst() -> None:
    assert REGIONS[made(TOP_LEFT, worst=8).true_region(0)] == TOP_LEFT
    assert made(WHOLE, worst=5).true_region(0) == 5
    assert made(None, worst=2).true_region(0) == 2


def test_the_damaged_region_is_drawn_half_of_the_time_and_any_otherwise() -> None:
    rng = np.random.default_rng(0)
    local = Counter(made(TOP_LEFT).draw_region(0, rng) for _ in range(900))
    # One half and one ninth of the other half, within four standard deviations.
    assert local[REGIONS.index(TOP_LEFT)] == pytest.approx(500, abs=60)
    assert set(local) == set(range(9))
    whole = Counter(made(WHOLE).draw_region(0, rng) for _ in range(900))
    assert max(whole.values()) < 150


def test_labels_and_evidence_that_do_not_belong_together_are_refused(synthetic_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(synthetic_folder, folder)
    lines = (folder / "train.jsonl").read_text().splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(lines[::-1]))
    with pytest.raises(DataError, match="name other images; build the data again"):
        load_views(folder, "train", side=112)


def test_images_of_several_sizes_are_refused(synthetic_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(synthetic_folder, folder)
    Image.new("RGB", (200, 224)).save(folder / "images" / "train-00000-0.png")
    with pytest.raises(DataError, match="images of several sizes"):
        load_views(folder, "train", side=112)
