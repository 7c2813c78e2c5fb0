import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Degradation
from loupe.data.degrade import degrade
from loupe.data.pristine import dead_leaves
from loupe.data.shallow_focus import (
    GAP,
    blur_subject,
    blur_whole,
    distances,
    draw_subject,
    shallow_focus,
    subject_mask,
)

SUBJECT = (0.3, 0.35, 0.7, 0.95)
IMAGE = dead_leaves(5, size=96)


def detail(pixels: np.ndarray, where: np.ndarray) -> float:
    """Mean step between neighbouring pixels of a row, over the pixels `where` (H, W)."""
    steps = np.abs(np.diff(pixels.astype(float).mean(axis=2), axis=1))
    return float(steps[where[:, 1:]].mean())


def test_the_subject_stays_as_it_was_and_the_background_does_not():
    made = shallow_focus(IMAGE, SUBJECT, strength=4)
    inside = subject_mask(96, 96, SUBJECT) > 0.999
    outside = subject_mask(96, 96, SUBJECT) < 0.001
    assert np.abs(made[inside].astype(int) - IMAGE[inside]).max() <= 1
    assert detail(made, outside) < 0.75 * detail(IMAGE, outside)


def test_blur_grows_with_distance():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    made = shallow_focus(noise, SUBJECT, strength=5)
    side = np.zeros((96, 96), bool)
    side[:, :24] = True
    rows = np.arange(96)[:, None] + np.zeros((1, 96), int)
    far, middle, near = (
        detail(made, side & (rows >= low) & (rows < high)) for low, high in ((4, 20), (40, 60), (76, 90))
    )
    assert far < middle < near


def test_distance_runs_from_the_foot_of_the_subject_to_the_upper_edge():
    plane = distances(100, 40, SUBJECT)
    assert plane.shape == (100, 40)
    assert plane[0, 0] == pytest.approx(1.0, abs=0.01)
    assert plane[94, 0] == pytest.approx(GAP, abs=0.01)
    assert plane[95, 0] < 0.01
    assert (np.diff(plane[:95, 0]) < 0).all()
    assert plane.min() >= 0.0


def test_blur_of_the_whole_is_that_of_the_engine():
    engine = degrade(IMAGE, Degradation("blur", 3, WHOLE, "lens"), seed=7)
    assert np.array_equal(blur_whole(IMAGE, strength=3), engine)


def test_a_blurred_subject_is_the_engines_blur_inside_and_the_image_outside():
    made = blur_subject(IMAGE, SUBJECT, strength=3)
    inside, outside = (subject_mask(96, 96, SUBJECT) > 0.999, subject_mask(96, 96, SUBJECT) < 0.001)
    assert np.abs(made[inside].astype(int) - blur_whole(IMAGE, strength=3)[inside]).max() <= 1
    assert np.array_equal(made[outside], IMAGE[outside])


def test_the_furthest_point_is_blurred_as_strongly_as_the_whole():
    made, whole = shallow_focus(IMAGE, SUBJECT, strength=4), blur_whole(IMAGE, strength=4)
    assert np.abs(made[0].astype(int) - whole[0]).mean() < 1.0
    assert np.abs(made[0].astype(int) - IMAGE[0]).mean() > 3.0


def test_the_subject_does_not_bleed_into_the_background():
    image = np.full((96, 96, 3), 40, np.uint8)
    bright = subject_mask(96, 96, SUBJECT) > 0
    image[bright] = 250
    made = shallow_focus(image, SUBJECT, strength=5)
    assert made[~bright].max() <= 41
    assert blur_whole(image, strength=5)[~bright].max() > 100


@given(st.integers(0, 10_000))
def test_a_subject_lies_inside_the_image(seed: int):
    x1, y1, x2, y2 = draw_subject(np.random.default_rng(seed))
    assert 0 < x1 < x2 < 1
    assert 0 < y1 < y2 < 1
    assert 0.17 <= (x2 - x1) * (y2 - y1) <= 0.32


def test_a_strength_that_the_engine_does_not_have_is_refused():
    with pytest.raises(DataError, match="got the strength 6"):
        shallow_focus(IMAGE, SUBJECT, strength=6)
    with pytest.raises(DataError, match="got the strength 0"):
        blur_subject(IMAGE, SUBJECT, strength=0)
