import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import DataError
from loupe.core.records import DISTORTION_CLASSES, WHOLE, Box, Degradation
from loupe.data.degrade import CLEAN, REGIONS, VARIANTS, degrade, draw_degradation, pixel_slices
from loupe.data.pristine import dead_leaves

EVERY = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]
IMAGE = dead_leaves(5, size=61)


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_every_level_gives_finite_bytes_of_the_same_shape_and_changes_something(name: str, variant: str):
    for level in range(1, 6):
        damaged = degrade(IMAGE, Degradation(name, level, WHOLE, variant), seed=level)
        assert (damaged.dtype, damaged.shape) == (np.uint8, IMAGE.shape)
        assert (damaged != IMAGE).any()


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_the_same_seed_gives_the_same_pixels_and_the_input_stays_as_it_was(name: str, variant: str):
    before = IMAGE.copy()
    first, second = (degrade(IMAGE, Degradation(name, 3, WHOLE, variant), seed=8) for _ in range(2))
    assert (first == second).all()
    assert (before == IMAGE).all()


@pytest.mark.parametrize("variant", VARIANTS["noise"])
def test_another_seed_gives_other_noise(variant: str):
    first, second = (degrade(IMAGE, Degradation("noise", 3, WHOLE, variant), seed=seed) for seed in (1, 2))
    assert (first != second).any()


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_local_damage_leaves_every_pixel_outside_its_region_untouched(name: str, variant: str):
    for region in REGIONS:
        damaged = degrade(IMAGE, Degradation(name, 4, region, variant), seed=1)
        rows, columns = pixel_slices(region, *IMAGE.shape[:2])
        changed = (damaged != IMAGE).any(axis=-1)
        assert changed[rows, columns].any()
        changed[rows, columns] = False
        assert not changed.any()


def test_local_damage_is_the_global_damage_seen_through_a_window():
    whole = degrade(IMAGE, Degradation("compression", 5, WHOLE), seed=1)
    local = degrade(IMAGE, Degradation("compression", 5, REGIONS[4]), seed=1)
    rows, columns = pixel_slices(REGIONS[4], *IMAGE.shape[:2])
    assert (local[rows, columns] == whole[rows, columns]).all()


def test_a_clean_image_comes_back_as_a_copy():
    copy = degrade(IMAGE, CLEAN, seed=0)
    assert (copy == IMAGE).all()
    assert copy is not IMAGE


def test_no_variant_means_the_first_one_and_no_box_the_whole_image():
    named = degrade(IMAGE, Degradation("blur", 2, WHOLE, "gaussian"), seed=0)
    assert (degrade(IMAGE, Degradation("blur", 2, None), seed=0) == named).all()


def test_darkening_by_shift_takes_a_tenth_of_full_scale_at_level_one():
    grey = np.full((8, 8, 3), 100, np.uint8)
    # 100 / 255 - 0.10 = 0.29216, times 255 = 74.5, rounded to even.
    damaged = degrade(grey, Degradation("darken", 1, WHOLE, "shift"), seed=0)
    assert set(np.unique(damaged)) <= {74, 75}


def test_pixelation_of_level_one_shows_means_of_two_by_two_blocks():
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = 200
    damaged = degrade(image, Degradation("pixelate", 1, WHOLE, "mean"), seed=0)
    assert (damaged[:2, :2] == 50).all()
    assert (damaged[2:] == 0).all()
    assert (damaged[:, 2:] == 0).all()


@pytest.mark.parametrize(
    ("degradation", "named"),
    [
        (Degradation("rust", 3, WHOLE), "rust"),
        (Degradation("noise", 3, WHOLE, "lens"), "lens"),
        (Degradation("noise", 0, WHOLE), "severity 0"),
        (Degradation("noise", 6, WHOLE), "severity 6"),
    ],
)
def test_a_degradation_that_does_not_exist_is_refused_by_name(degradation: Degradation, named: str):
    with pytest.raises(DataError, match=named):
        degrade(IMAGE, degradation, seed=0)


@pytest.mark.parametrize("image", [IMAGE.astype(np.float32) / 255, IMAGE[..., 0], IMAGE[..., :2], IMAGE[:0]])
def test_pixels_of_another_form_are_refused(image: np.ndarray):
    with pytest.raises(DataError, match="uint8"):
        degrade(image, Degradation("noise", 1, WHOLE), seed=0)


def test_the_engine_knows_the_classes_of_the_records():
    assert tuple(VARIANTS) == DISTORTION_CLASSES


def test_draws_are_seeded_and_keep_near_their_shares():
    rng, again = np.random.default_rng(4), np.random.default_rng(4)
    drawn = [draw_degradation(rng, clean_share=0.2, local_share=0.6) for _ in range(2000)]
    assert drawn == [draw_degradation(again, clean_share=0.2, local_share=0.6) for _ in range(2000)]
    damaged = [item for item in drawn if item.distortion_class is not None]
    # Four standard deviations of a binomial.
    assert abs(2000 - len(damaged) - 400) < 4 * np.sqrt(2000 * 0.2 * 0.8)
    local = sum(item.is_local for item in damaged)
    assert abs(local - 0.6 * len(damaged)) < 4 * np.sqrt(len(damaged) * 0.6 * 0.4)
    assert {item.severity for item in damaged} == {1, 2, 3, 4, 5}
    assert {(item.distortion_class, item.variant) for item in damaged} == set(EVERY)
    assert {item.bbox_2d for item in damaged} == {WHOLE, *REGIONS}


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_whole_box_covers_every_pixel(height: int, width: int):
    assert pixel_slices(WHOLE, height, width) == (slice(0, height), slice(0, width))


@given(st.integers(2, 300), st.integers(2, 300))
def test_the_four_corner_regions_tile_the_image_exactly(height: int, width: int):
    hits = np.zeros((height, width), int)
    for number in (0, 2, 6, 8):
        hits[pixel_slices(REGIONS[number], height, width)] += 1
    assert (hits == 1).all()


def test_the_nine_regions_lie_row_by_row_and_cover_the_image():
    assert [box[:2] for box in REGIONS] == [(x, y) for y, x in itertools.product((0.0, 0.25, 0.5), (0.0, 0.25, 0.5))]
    hits = np.zeros((8, 8), int)
    for region in REGIONS:
        hits[pixel_slices(region, 8, 8)] += 1
    assert hits[0].tolist() == [1, 1, 2, 2, 2, 2, 1, 1]
    assert hits[3].tolist() == [2, 2, 4, 4, 4, 4, 2, 2]


sides = st.floats(0, 1)


@given(st.tuples(sides, sides, sides, sides), st.integers(1, 200), st.integers(1, 200))
def test_no_box_is_empty_and_none_leaves_the_image(box: Box, height: int, width: int):
    x1, x2 = sorted((box[0], box[2]))
    y1, y2 = sorted((box[1], box[3]))
    rows, columns = pixel_slices((x1, y1, x2, y2), height, width)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
