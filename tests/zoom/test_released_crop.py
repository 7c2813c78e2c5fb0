"""The preset zoom-iqa: what the released evaluator of Zoom-IQA crops, to the pixel, its quirks included.

The cases marked as such come from running that evaluator; the others are worked out by hand from its rules.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loupe.zoom.crop import PRESETS, PixelBox, crop, crop_region

RELEASED = PRESETS["zoom-iqa"]
RUN = [
    ([0.29, 0.24, 0.88, 0.73], (1024, 768), (296, 184, 901, 560), (1024, 636)),
    ([0.2, 0.15, 0.88, 0.68], (1024, 768), (204, 115, 901, 522), (1024, 597)),
    ([0.0, 0.0, 0.1, 0.1], (1024, 768), (0, 0, 307, 229), (1024, 763)),
    ([0.02, 0.02, 0.99, 0.97], (512, 384), (34, 24, 481, 354), (512, 377)),
    ([0.9, 0.8, 0.1, 0.2], (1024, 768), (102, 153, 921, 614), (1024, 576)),
    ([300, 200, 900, 700], (1024, 768), (300, 200, 900, 700), (921, 768)),
    ([0, 0, 1, 1], (1024, 768), (68, 51, 955, 716), (1024, 767)),
    ([-0.1, 0.2, 0.8, 0.9], (1024, 768), (0, 0, 222, 222), (768, 768)),
    (["0.1", "0.2", "0.8", "0.9"], (1024, 768), (102, 153, 819, 691), (1023, 768)),
    ([0.3, 0.3, 0.7, 0.7], (40, 30), (6, 1, 34, 29), (30, 30)),
]
"""Box, image, region and size of the crop as the evaluator gave them."""
FRACTIONS = st.floats(0.0, 1.0)


@pytest.mark.parametrize(("box", "image", "region", "shown"), RUN)
def test_the_region_and_its_size_are_those_of_the_released_evaluator(
    box: list[object], image: tuple[int, int], region: PixelBox, shown: tuple[int, int]
) -> None:
    assert crop_region(box, *image, policy=RELEASED) == region
    assert crop(Image.new("RGB", image), box, policy=RELEASED)[0].size == shown


@pytest.mark.parametrize(
    "nothing", [[0, 0, 0, 0], [], None, "there", [1, 2, 3], ["a", 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5]]
)
def test_a_box_that_says_nothing_is_the_middle_in_its_own_pixels(nothing: object) -> None:
    shown, view = crop(Image.new("RGB", (401, 300)), nothing, policy=RELEASED)
    assert crop_region(nothing, 401, 300, policy=RELEASED) == (100, 75, 300, 225)
    assert shown.size == (200, 150)
    assert view == pytest.approx((100 / 401, 0.25, 300 / 401, 0.75))


def test_one_number_just_outside_makes_pixels_of_the_whole_box_and_ours_clamps_it() -> None:
    box = [0.5, 0.5, 1.2, 0.9]
    assert crop_region(box, 1024, 768, policy=RELEASED) == (0, 0, 222, 222)
    # Half of the width, two fifths of the height: a fifth of the image, which grows to a quarter and is moved inside.
    x1, y1, x2, y2 = crop_region(box, 1024, 768)
    assert x2 == 1024 and x1 < 512 and y1 < 384 < y2
    assert (x2 - x1) * (y2 - y1) / (1024 * 768) == pytest.approx(0.25, abs=0.001)


def test_in_a_corner_the_released_crop_falls_below_its_quarter_and_ours_does_not() -> None:
    for policy, share in ((RELEASED, 0.0894), (PRESETS["loupe"], 0.25)):
        x1, y1, x2, y2 = crop_region([0.0, 0.0, 0.1, 0.1], 1024, 768, policy=policy)
        assert (x2 - x1) * (y2 - y1) / (1024 * 768) == pytest.approx(share, abs=5e-4)


@given(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS, st.integers(1, 90), st.integers(1, 90))
def test_no_released_crop_is_empty_or_leaves_the_image(
    x1: float, y1: float, x2: float, y2: float, width: int, height: int
) -> None:
    left, top, right, bottom = crop_region([x1, y1, x2, y2], width, height, policy=RELEASED)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert right - left >= min(28, width) - 1 and bottom - top >= min(28, height) - 1


@given(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS, st.integers(64, 2000), st.integers(64, 2000))
def test_no_released_crop_of_a_large_image_is_larger_than_three_quarters(
    x1: float, y1: float, x2: float, y2: float, width: int, height: int
) -> None:
    left, top, right, bottom = crop_region([x1, y1, x2, y2], width, height, policy=RELEASED)
    assert (right - left) * (bottom - top) <= 0.75 * width * height + width + height


@given(st.integers(64, 600), st.integers(64, 600), st.floats(0.3, 0.7), st.floats(0.55, 0.8))
def test_a_fitted_crop_fills_the_image_in_one_direction_and_keeps_its_own_aspect(
    width: int, height: int, at: float, side: float
) -> None:
    box = [max(0.0, at - side / 2), 0.1, min(1.0, at + side / 2), 0.9]
    shown, _ = crop(Image.new("RGB", (width, height)), box, policy=RELEASED)
    x1, y1, x2, y2 = crop_region(box, width, height, policy=RELEASED)
    assert shown.width == width or shown.height == height
    assert shown.width <= width and shown.height <= height
    # Whole pixels: the short side is rounded down.
    wide, high = shown.size
    assert math.isclose(wide * (y2 - y1), high * (x2 - x1), abs_tol=max(x2 - x1, y2 - y1))
