"""Geometry of boxes: the usual identities, and that what is drawn or moved lies inside the image."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.box import area, iou, random_box, shift_inside
from loupe.core.records import WHOLE, Box

UNIT = st.floats(0.0, 1.0)
BOXES = st.tuples(UNIT, UNIT, UNIT, UNIT).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


def inside(box: Box) -> bool:
    return 0.0 <= box[0] <= box[2] <= 1.0 and 0.0 <= box[1] <= box[3] <= 1.0


def test_area_of_a_quarter_is_a_quarter() -> None:
    assert area((0.25, 0.5, 0.75, 1.0)) == 0.25
    assert area((0.8, 0.5, 0.75, 1.0)) == 0.0


def test_iou_of_two_half_overlapping_squares_is_one_third() -> None:
    assert iou((0.0, 0.0, 0.5, 0.5), (0.25, 0.0, 0.75, 0.5)) == pytest.approx(1 / 3, abs=1e-12)


def test_iou_of_touching_or_empty_boxes_is_zero() -> None:
    assert iou((0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5)) == 0.0
    assert iou((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)) == 0.0


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_between_zero_and_one(a: Box, b: Box) -> None:
    assert iou(a, b) == pytest.approx(iou(b, a), abs=1e-9)
    assert 0.0 <= iou(a, b) <= 1.0 + 1e-9


@given(BOXES)
def test_iou_of_a_box_with_itself_is_one(box: Box) -> None:
    if area(box) > 1e-9:
        assert iou(box, box) == pytest.approx(1.0, abs=1e-9)


def test_a_box_over_the_border_is_moved_and_keeps_its_size() -> None:
    assert shift_inside((0.75, -0.25, 1.25, 0.25)) == (0.5, 0.0, 1.0, 0.5)


def test_a_box_longer_than_the_image_fills_that_axis_alone() -> None:
    assert shift_inside((-0.5, 0.25, 1.5, 0.5)) == (0.0, 0.25, 1.0, 0.5)


@given(BOXES)
def test_a_box_that_lies_inside_is_left_alone(box: Box) -> None:
    assert shift_inside(box) == pytest.approx(box, abs=1e-12)


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_whatever_is_moved_ends_inside(x: float, y: float, wide: float, high: float) -> None:
    assert inside(shift_inside((x, y, x + wide, y + high)))


@given(BOXES, st.integers())
def test_a_random_box_has_the_size_of_its_model_and_lies_inside(like: Box, seed: int) -> None:
    box = random_box(like, rng=Random(seed))
    assert inside(box)
    assert box[2] - box[0] == pytest.approx(like[2] - like[0], abs=1e-12)
    assert box[3] - box[1] == pytest.approx(like[3] - like[1], abs=1e-12)


def test_a_random_box_of_the_whole_image_is_the_whole_image() -> None:
    assert random_box(WHOLE, rng=Random(0)) == WHOLE


def test_random_boxes_are_uniform_over_the_free_places() -> None:
    rng = Random(0)
    lefts = [random_box((0.0, 0.0, 0.5, 0.5), rng=rng)[0] for _ in range(4000)]
    assert sum(lefts) / 4000 == pytest.approx(0.25, abs=0.01)
    assert sum(left < 0.125 for left in lefts) / 4000 == pytest.approx(0.25, abs=0.03)
