import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Degradation
from loupe.data.degrade import REGIONS, VARIANTS, Pixels, degrade
from loupe.data.measure import ADDED_WEIGHT, LOSS_WEIGHT, TONE_WEIGHT, impairments, pooled, rating_of

EVERY = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]


def test_an_image_compared_with_itself_is_impaired_nowhere(leaves: list[Pixels]):
    for image in leaves:
        assert np.abs(impairments(image, image)).max() < 1e-5


def test_a_grey_level_of_tone_counts_its_weight():
    light, dark = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 50, np.uint8)
    assert impairments(light, dark) == pytest.approx(TONE_WEIGHT * 50, rel=1e-4)
    assert impairments(dark, light) == pytest.approx(TONE_WEIGHT * 50, rel=1e-4)


def test_noise_on_a_flat_image_counts_as_added_structure_alone():
    flat = np.full((224, 224, 3), 128, np.uint8)
    noisy = degrade(flat, Degradation("noise", 2, WHOLE, "gaussian"), seed=0)
    # Three channels of sigma 25.5 make luma of sigma 25.5 * (0.299^2 + 0.587^2 + 0.114^2)^0.5 = 17.05, of which the
    # mean absolute value is 17.05 * (2 / pi)^0.5 = 13.6; the window of sigma 3 leaves nearly all of it.
    assert impairments(flat, noisy).mean() == pytest.approx(ADDED_WEIGHT * 13.6, rel=0.05)


def test_detail_that_is_wiped_out_counts_nearly_its_whole_weight():
    stripes = np.zeros((224, 224, 3), np.uint8)
    stripes[:, ::2] = 255
    values = impairments(stripes, np.full_like(stripes, 128))
    # Detail of 127.5 grey levels: 1 - (0 + 1) / (127.5 + 1), the regression of nothing keeps a trace of the floor.
    assert values[2:6, 2:6] == pytest.approx(LOSS_WEIGHT * (1 - 1 / 128.5), rel=0.01)


def mean_ratings(name: str, variant: str, images: list[Pixels]) -> list[float]:
    """Mean rating of the images at level 0 (clean) to 5."""

    def mean_rating(level: int) -> float:
        damage = Degradation(name, level, WHOLE, variant)
        return float(np.mean([rating_of(pooled(impairments(x, degrade(x, damage, seed=level)))) for x in images]))

    return [5.0, *(mean_rating(level) for level in range(1, 6))]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_the_mean_rating_falls_with_every_level(name: str, variant: str, leaves: list[Pixels]):
    ratings = mean_ratings(name, variant, leaves)
    assert all(after < before - 0.03 for before, after in itertools.pairwise(ratings))


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_the_mean_rating_falls_with_every_other_level(name: str, variant: str, leaves: list[Pixels]):
    ratings = mean_ratings(name, variant, leaves)
    assert all(after < before - 0.1 for before, after in zip(ratings, ratings[2:], strict=False))
    assert 1 < ratings[-1] < 4.5


def test_a_damaged_quarter_counts_as_much_as_a_damaged_whole():
    values = np.zeros((8, 8))
    values[:4, :4] = 0.6
    assert pooled(values) == pytest.approx(0.6)
    assert pooled(np.full((8, 8), 0.6)) == pytest.approx(0.6)


def test_a_damaged_eighth_counts_half():
    values = np.zeros((8, 8))
    values[:2, :4] = 0.6
    assert pooled(values) == pytest.approx(0.3)


def test_the_worst_quarter_of_eight_values_are_the_two_largest():
    assert pooled(np.array([[0.7, 0.1, 0.9, 0.5], [0.3, 0.8, 0.6, 1.0]])) == pytest.approx(0.95)


def test_a_single_value_is_its_own_worst_quarter():
    assert pooled(np.array([[0.3]])) == pytest.approx(0.3)


@pytest.mark.parametrize(("impairment", "rating"), [(0, 5), (np.log(2), 3), (np.log(4), 2), (-1e-7, 5), (50, 1)])
def test_ratings_by_hand(impairment: float, rating: float):
    assert rating_of(impairment) == pytest.approx(rating)


@given(st.floats(-0.1, 20), st.floats(-0.1, 20))
def test_a_rating_stays_in_its_bounds_and_keeps_the_order(first: float, second: float):
    low, high = sorted((first, second))
    assert 1 <= rating_of(high) <= rating_of(low) <= 5


def test_damage_in_one_region_is_seen_there_alone(leaves: list[Pixels]):
    damaged = degrade(leaves[3], Degradation("blur", 5, REGIONS[0]), seed=0)
    values = impairments(leaves[3], damaged)
    # The windows reach some 12 pixels beyond the damaged 56, that is one cell of 14.
    assert np.abs(values[5:]).max() < 0.02
    assert np.abs(values[:, 5:]).max() < 0.02
    assert values[:4, :4].mean() > 0.2


def test_images_of_two_sizes_are_not_compared(leaves: list[Pixels]):
    with pytest.raises(DataError, match="one size"):
        impairments(leaves[0], leaves[0][:50])
