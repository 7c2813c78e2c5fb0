import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import DataError
from loupe.data.pristine import dead_leaves
from loupe.sft.rationales import hints
from loupe.sft.rationales.hints import Pixels, measure, measure_regions


def scene(seed: int = 0, size: int = 128) -> Pixels:
    return np.asarray(dead_leaves(seed, size=size), np.uint8)


def flat(value: int, size: int = 64) -> Pixels:
    return np.full((size, size, 3), value, np.uint8)


@given(st.integers(0, 255))
def test_a_flat_grey_picture_has_its_brightness_and_nothing_else(value: int):
    found = measure(flat(value))
    assert found.brightness == value
    assert (found.contrast, found.colourfulness, found.sharpness, found.noise) == (0, 0, 0, 0)
    assert found.blockiness == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90, np.transpose], ids=["left", "up", "turn", "mirror"])
def test_no_measure_depends_on_which_way_the_picture_lies(seed: int, turn: object):
    picture = scene(seed)
    turned = picture.transpose(1, 0, 2) if turn is np.transpose else turn(picture)  # type: ignore[operator]
    assert measure(np.ascontiguousarray(turned)).to_json() == pytest.approx(measure(picture).to_json(), abs=2e-3)


def test_brightness_and_contrast_scale_with_the_light():
    grey = hints.luma(scene())
    assert hints.brightness(grey / 2) == pytest.approx(hints.brightness(grey) / 2)
    assert hints.contrast(grey / 2 + 30) == pytest.approx(hints.contrast(grey) / 2)


def test_black_and_white_halves_have_the_most_contrast_there_is():
    picture = flat(0)
    picture[:32] = 255
    assert measure(picture).contrast == 127.5


def test_colourfulness_of_two_colours_is_that_of_the_paper_by_hand():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32], picture[32:] = (255, 0, 0), (0, 0, 255)
    # red-green is 255 and 0, yellow-blue 127.5 and -255: spreads 127.5 and 191.25, means 127.5 and -63.75.
    worked = math.hypot(127.5, 191.25) + 0.3 * math.hypot(127.5, 63.75)
    assert hints.colourfulness(picture) == pytest.approx(worked)


def test_a_grey_copy_has_no_colour_and_the_same_rest():
    picture = scene()
    grey = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    found, before = measure(grey), measure(picture)
    assert found.colourfulness == 0
    assert (found.brightness, found.noise) == pytest.approx((before.brightness, before.noise), abs=0.3)


@pytest.mark.parametrize("seed", range(4))
def test_more_blur_is_never_sharper(seed: int):
    grey = hints.luma(scene(seed))
    values = [hints.sharpness(cv2.GaussianBlur(grey, (0, 0), sigma) if sigma else grey) for sigma in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.1
    assert all(0 <= value <= 1 for value in values)


def test_sharpness_does_not_depend_on_contrast():
    grey = hints.luma(scene())
    assert hints.sharpness(grey * 0.3 + 50) == pytest.approx(hints.sharpness(grey), abs=1e-9)


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_noise_on_a_flat_picture_is_what_was_added(sigma: float):
    rng = np.random.default_rng(3)
    grey = 128 + rng.normal(0, sigma, (256, 256))
    assert hints.noise(grey) == pytest.approx(sigma, rel=0.03)


def test_a_slope_is_no_noise():
    x, y = np.meshgrid(np.arange(64.0), np.arange(64.0))
    assert hints.noise(2 * x + y) == pytest.approx(0, abs=1e-9)


def test_blocks_show_more_the_stronger_the_compression_wherever_the_grid_begins():
    picture = scene(1, size=160)
    values: list[float] = []
    for quality in (95, 40, 10):
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        grey = hints.luma(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8))
        values.append(hints.blockiness(grey))
        if quality == 10:
            assert hints.blockiness(grey[3:-5, 5:-3]) == pytest.approx(values[-1], rel=0.15)
    assert values == sorted(values)
    assert values[2] > 1.3 > values[0]


def test_one_edge_is_no_grid():
    picture = flat(40, size=128)
    picture[:, 64:] = 200
    picture[64:] //= 2
    assert measure(picture).blockiness == 1


def test_damage_in_a_corner_shows_in_the_regions_of_that_corner():
    picture = flat(120, size=96)
    rng = np.random.default_rng(0)
    picture[:32, :32] = np.clip(120 + rng.normal(0, 20, (32, 32, 1)), 0, 255)
    whole, *cells = measure_regions(picture)
    assert whole.box == (0, 0, 1, 1)
    assert [round(cell.hints.noise) > 15 for cell in cells] == [True] + [False] * 8


def test_regions_that_are_too_small_are_left_out_and_a_picture_that_is_is_refused():
    # Thirds of 71 pixels are 24, 23 and 24 wide: the four corners and the whole are left.
    assert len(measure_regions(flat(9, size=71))) == 5
    assert len(measure_regions(flat(9), boxes=((0, 0, 0.5, 0.5), (0, 0, 0.1, 0.1)))) == 2
    with pytest.raises(DataError, match="at least 24"):
        measure(flat(9, size=23))
