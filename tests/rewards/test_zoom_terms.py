"""Terms about zooming: they pay for a finding or an improvement, and never for a crop as such."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.rewards.zoom import crop_cost, gain_reward, region_reward

RATING = st.none() | st.floats(1.0, 5.0)


def test_the_region_pays_by_overlap() -> None:
    region = (0.0, 0.0, 0.5, 0.5)
    assert region_reward(region, region) == 1.0
    assert region_reward((0.25, 0.0, 0.75, 0.5), region) == pytest.approx(1 / 3)
    assert region_reward((0.5, 0.5, 1.0, 1.0), region) == 0.0
    assert region_reward(None, region) == 0.0


@pytest.mark.parametrize(
    ("ratings", "gain"),
    [
        ((4.0, 2.5), 0.375),
        ((4.0, 1.0), 0.25),
        ((2.0, 4.0), 0.0),
        ((3.0, None, 2.0), 0.25),
        ((2.0,), 0.0),
        ((None, 2.0), 0.0),
        ((), 0.0),
        ((99.0, 2.0), 0.75),
    ],
)
def test_a_look_pays_what_it_brought_the_rating_nearer_to_an_opinion_of_two(
    ratings: tuple[float | None, ...], gain: float
) -> None:
    assert gain_reward(ratings, 2.0) == gain


@given(st.lists(RATING, max_size=4), st.floats(1.0, 5.0))
def test_the_gain_lies_between_zero_and_one(ratings: list[float | None], target: float) -> None:
    assert 0.0 <= gain_reward(ratings, target) <= 1.0


def test_every_crop_costs_and_none_costs_nothing() -> None:
    assert [str(crop_cost(crops)) for crops in (0, 1, 3)] == ["0.0", "-1.0", "-3.0"]
