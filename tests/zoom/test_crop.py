"""From a box to pixels: the bounds hold for every box on every image, also in the corners."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loupe.core.errors import ConfigError, DataError
from loupe.core.records import WHOLE, Box
from loupe.zoom.crop import CropPolicy, PixelBox, as_box, crop, crop_region

ANYWHERE = st.floats(-3.0, 4.0)
WILD_BOXES = st.tuples(ANYWHERE, ANYWHERE, ANYWHERE, ANYWHERE)
SIDES = st.integers(64, 2000)


def share(region: PixelBox, width: int, height: int) -> float:
    return (region[2] - region[0]) * (region[3] - region[1]) / (width * height)


def test_a_quarter_on_the_pixel_grid_comes_back_exactly() -> None:
    assert crop_region((0.25, 0.5, 0.75, 1.0), 224, 224) == (56, 112, 168, 224)


def test_a_box_within_the_bounds_is_rounded_up_to_whole_pixels() -> None:
    # 0.59 x 1024 = 604.16 and 0.49 x 768 = 376.32 give 605 x 377 about the centre (599.04, 372.48).
    assert crop_region((0.29, 0.24, 0.88, 0.73), 1024, 768) == (297, 184, 902, 561)


def test_a_small_box_grows_about_its_centre_to_a_quarter() -> None:
    assert crop_region((0.45, 0.45, 0.55, 0.55), 200, 100) == (50, 25, 150, 75)


def test_a_small_box_in_the_corner_is_moved_inside_and_still_shows_a_quarter() -> None:
    assert crop_region((0.0, 0.0, 0.1, 0.1), 200, 100) == (0, 0, 100, 50)
    assert crop_region((0.95, 0.95, 1.0, 1.0), 200, 100) == (100, 50, 200, 100)


def test_a_long_thin_box_grows_across_where_it_cannot_grow_along() -> None:
    assert crop_region((0.0, 0.5, 1.0, 0.51), 400, 400) == (0, 152, 400, 252)


def test_the_whole_image_is_shrunk_to_three_quarters() -> None:
    region = crop_region(WHOLE, 1000, 1000)
    assert region == (67, 67, 933, 933)
    assert share(region, 1000, 1000) <= 0.75


def test_coordinates_off_the_image_are_clamped() -> None:
    assert crop_region((0.5, 0.5, 1.7, 9.0), 224, 224) == crop_region((0.5, 0.5, 1.0, 1.0), 224, 224)


def test_reversed_corners_are_swapped() -> None:
    assert crop_region((0.75, 1.0, 0.25, 0.5), 224, 224) == (56, 112, 168, 224)


def test_a_side_is_never_shorter_than_the_policy_says() -> None:
    region = crop_region((0.4, 0.0, 0.45, 1.0), 60, 400)
    assert region[2] - region[0] == 28


def test_an_image_smaller_than_a_side_is_shown_whole() -> None:
    assert crop_region((0.4, 0.4, 0.5, 0.5), 20, 12) == (0, 0, 20, 12)
    assert crop_region((0.0, 0.0, 0.0, 0.0), 1, 1) == (0, 0, 1, 1)


@given(WILD_BOXES, SIDES, SIDES)
def test_every_crop_lies_inside_and_covers_between_a_quarter_and_three_quarters(
    box: Box, width: int, height: int
) -> None:
    x1, y1, x2, y2 = region = crop_region(box, width, height)
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert 0.25 - 1e-6 <= share(region, width, height) <= 0.75
    assert x2 - x1 >= 28 and y2 - y1 >= 28


@given(WILD_BOXES, st.integers(1, 64), st.integers(1, 64))
def test_on_tiny_images_the_lower_bounds_still_hold(box: Box, width: int, height: int) -> None:
    x1, y1, x2, y2 = region = crop_region(box, width, height)
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert share(region, width, height) >= 0.25 - 1e-6
    assert x2 - x1 >= min(28, width) and y2 - y1 >= min(28, height)


@given(WILD_BOXES, SIDES, SIDES)
def test_asking_for_what_was_shown_shows_the_same(box: Box, width: int, height: int) -> None:
    region = crop_region(box, width, height)
    assert crop_region(as_box(region, width, height), width, height) == region


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.0, 0.5), SIDES, SIDES)
def test_what_was_asked_for_is_in_the_crop_unless_it_was_too_large(
    x: float, y: float, wide: float, high: float, width: int, height: int
) -> None:
    x1, y1, x2, y2 = crop_region((x, y, x + wide, y + high), width, height)
    assert x1 <= x * width + 1 and y1 <= y * height + 1
    assert x2 >= (x + wide) * width - 1 and y2 >= (y + high) * height - 1


@given(WILD_BOXES, st.floats(0.01, 0.5), st.floats(0.5, 1.0))
def test_the_bounds_are_those_of_the_policy(box: Box, least: float, most: float) -> None:
    region = crop_region(box, 900, 700, policy=CropPolicy(min_share=least, max_share=most, min_side=1))
    assert least - 1e-6 <= share(region, 900, 700)
    assert share(region, 900, 700) <= most or most - least < 1e-3


def test_the_crop_has_the_pixels_of_the_region_and_says_where_they_are() -> None:
    image = Image.new("RGB", (224, 224))
    image.paste((255, 0, 0), (56, 112, 168, 224))
    cropped, view = crop(image, (0.25, 0.5, 0.75, 1.0))
    assert cropped.size == (112, 112)
    assert cropped.getcolors() == [(112 * 112, (255, 0, 0))]
    assert view == (0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_box_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="finite"):
        crop_region((0.0, 0.0, bad, 1.0), 100, 100)


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(DataError, match="0 x 10"):
        crop_region(WHOLE, 0, 10)


def test_a_policy_with_contradicting_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_share"):
        CropPolicy(min_share=0.8, max_share=0.5)
    with pytest.raises(ConfigError, match="min_side"):
        CropPolicy(min_side=0)
