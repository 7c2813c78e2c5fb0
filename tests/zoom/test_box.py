"""What region a box means, in each of the ways in which models count."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loupe.core.crop_policy import PRESETS, CropPolicy
from loupe.core.errors import ConfigError
from loupe.zoom.box import meant, numbers_of, seen_size
from loupe.zoom.crop import crop, crop_region, shown_size

OURS = PRESETS["loupe"]
THOUSAND = CropPolicy(coordinates="thousand")
PIXELS = CropPolicy(coordinates="pixels", seen_max_pixels=200_704)
SIDES = st.integers(60, 3000)
HALF = st.floats(0.0, 0.5)


@given(HALF, HALF, st.floats(0.01, 0.5), st.floats(0.01, 0.5), SIDES, SIDES)
def test_the_same_region_said_in_three_ways_is_the_same_crop(
    x: float, y: float, wide: float, high: float, width: int, height: int
) -> None:
    box = (x, y, x + wide, y + high)
    across, down = seen_size(width, height, policy=PIXELS)
    in_thousandths = [1000 * value for value in box]
    in_pixels = [value * side for value, side in zip(box, (across, down, across, down), strict=True)]
    asked = crop_region(box, width, height)
    for said, policy in ((in_thousandths, THOUSAND), (in_pixels, PIXELS)):
        region = crop_region(said, width, height, policy=policy)
        # The way there and back is not exact to the last bit, so a side may be rounded to the next pixel.
        assert all(abs(one - other) <= 1 for one, other in zip(region, asked, strict=True))


@pytest.mark.parametrize(
    ("image", "seen"),
    # 1024 / 28 = 36.57 and 768 / 28 = 27.43 are rounded; 40 x 30 grows by sqrt(3136 / 1200) to 64.7 x 48.5.
    [((1024, 768), (1036, 756)), ((40, 30), (84, 56)), ((28, 56), (56, 84))],
)
def test_the_size_that_a_model_sees_is_that_of_its_processor(image: tuple[int, int], seen: tuple[int, int]) -> None:
    assert seen_size(*image, policy=CropPolicy(coordinates="pixels")) == seen


def test_the_size_that_a_model_sees_agrees_with_the_library() -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    for width, height in ((1024, 768), (4000, 3000), (40, 30), (333, 2000), (1920, 1080), (57, 57)):
        for most in (200_704, 12_845_056):
            policy = CropPolicy(coordinates="pixels", seen_max_pixels=most)
            high, wide = smart_resize(height, width, factor=28, min_pixels=3136, max_pixels=most)
            assert seen_size(width, height, policy=policy) == (wide, high)


def test_pixels_are_those_of_the_image_that_the_model_sees_and_not_of_the_file() -> None:
    # 4032 x 3024 shrinks by sqrt(4032 * 3024 / 200704) to 517.3 x 388, in whole multiples of 28.
    seen = seen_size(4032, 3024, policy=PIXELS)
    assert seen == (504, 364)
    assert meant([252, 0, 504, 364], 4032, 3024, policy=PIXELS) == (0.5, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("outside", ["clamp", "unreadable"])
def test_a_number_off_the_image_is_clamped_or_leaves_no_box(outside: str) -> None:
    policy = replace(OURS, outside=outside)
    expected = (0.5, 0.5, 1.0, 0.9) if outside == "clamp" else None
    assert meant([0.5, 0.5, 1.2, 0.9], 100, 100, policy=policy) == expected


@pytest.mark.parametrize(
    "nothing", [None, "x", [1, 2], [float("nan"), 0, 1, 1], [[], 0, 1, 1], {"a": 1}, ["1e999", 0, 1, 1]]
)
def test_what_is_no_four_finite_numbers_means_nothing(nothing: object) -> None:
    assert numbers_of(nothing) is None
    assert meant(nothing, 100, 100, policy=OURS) is None


def test_four_zeros_are_a_corner_unless_the_policy_says_that_they_mean_nothing() -> None:
    assert crop_region([0, 0, 0, 0], 200, 100) == (0, 0, 71, 71)
    assert crop_region([0, 0, 0, 0], 200, 100, policy=replace(OURS, zero_is_none=True, fallback="central")) == (
        50, 25, 150, 75,
    )  # fmt: skip


def test_a_factor_multiplies_both_sides_of_what_is_shown() -> None:
    policy = CropPolicy(resize="factor", factor=1.5)
    shown, view = crop(Image.new("RGB", (200, 100)), [0.25, 0.25, 0.75, 0.75], policy=policy)
    assert shown.size == (150, 75) == shown_size((50, 25, 150, 75), 200, 100, policy=policy)
    assert view == (0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize(
    "wrong",
    [
        {"resize": "double"},
        {"fallback": "guess"},
        {"coordinates": "percent"},
        {"outside": "ignore"},
        {"border": "wrap"},
        {"factor": 0.0},
        {"outside": "pixels", "coordinates": "thousand"},
        {"seen_min_pixels": 10, "seen_max_pixels": 9},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(wrong))).split("_")[0]):
        CropPolicy(**wrong)  # pyright: ignore[reportArgumentType]
