import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Degradation
from loupe.data.degrade import REGIONS, VARIANTS, Pixels, degrade
from loupe.data.measure import pooled, rating_of, ssim_between, ssim_map

EVERY = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]


def test_an_image_compared_with_itself_scores_one_everywhere(leaves: list[Pixels]):
    for image in leaves:
        assert np.abs(ssim_between(image, image) - 1).max() < 1e-6


def test_the_measure_does_not_care_which_image_comes_first(leaves: list[Pixels]):
    one, other = ssim_between(leaves[0], leaves[1]), ssim_between(leaves[1], leaves[0])
    assert np.abs(one - other).max() < 1e-5


def test_two_flat_greys_differ_by_luminance_alone():
    light, dark = np.full((24, 24, 3), 100, np.uint8), np.full((24, 24, 3), 50, np.uint8)
    # C1 = (0.06 * 255)^2 = 234.09; (2 * 100 * 50 + C1) / (100^2 + 50^2 + C1) = 10234.09 / 12734.09
    assert ssim_between(light, dark) == pytest.approx(0.803677, abs=1e-4)


def test_inside_the_borders_the_map_is_that_of_scikit_image(leaves: list[Pixels]):
    damaged = degrade(leaves[2], Degradation("noise", 3, WHOLE), seed=0)
    first, second = (image[..., 1].astype(np.float32) for image in (leaves[2], damaged))
    _, theirs = structural_similarity(
        first,
        second,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        K1=0.06,
        K2=0.05,
        use_sample_covariance=False,
        full=True,
    )
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(ssim_map(first, second)[inner] - theirs[inner]).max() < 1e-3


def mean_ratings(name: str, variant: str, images: list[Pixels]) -> list[float]:
    """Mean rating of the images at level 0 (clean) to 5."""

    def mean_rating(level: int) -> float:
        damage = Degradation(name, level, WHOLE, variant)
        return float(np.mean([rating_of(pooled(ssim_between(x, degrade(x, damage, seed=level)))) for x in images]))

    return [5.0, *(mean_rating(level) for level in range(1, 6))]


# Blocks of single pixels hurt more at an odd size than at the even one above it, so levels 2 and 3 change places.
@pytest.mark.parametrize(("name", "variant"), sorted(set(EVERY) - {("pixelate", "nearest")}))
def test_the_mean_rating_falls_with_every_level(name: str, variant: str, leaves: list[Pixels]):
    ratings = mean_ratings(name, variant, leaves)
    assert all(after < before - 0.03 for before, after in itertools.pairwise(ratings))


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_the_mean_rating_falls_with_every_other_level(name: str, variant: str, leaves: list[Pixels]):
    ratings = mean_ratings(name, variant, leaves)
    assert all(after < before - 0.1 for before, after in zip(ratings, ratings[2:], strict=False))
    assert 1 < ratings[-1] < 4.5


def test_a_damaged_quarter_counts_as_much_as_a_damaged_whole():
    values = np.ones((8, 8))
    values[:4, :4] = 0.4
    assert pooled(values) == pytest.approx(0.4)
    assert pooled(np.full((8, 8), 0.4)) == pytest.approx(0.4)


def test_a_damaged_eighth_counts_half():
    values = np.ones((8, 8))
    values[:2, :4] = 0.4
    assert pooled(values) == pytest.approx((0.4 + 1) / 2)


def test_the_worst_quarter_of_eight_values_are_the_two_lowest():
    assert pooled(np.array([[0.7, 0.1, 0.9, 0.5], [0.3, 0.8, 0.6, 1.0]])) == pytest.approx(0.2)


def test_a_single_value_is_its_own_worst_quarter():
    assert pooled(np.array([[0.3]])) == pytest.approx(0.3)


@pytest.mark.parametrize(("ssim", "rating"), [(1, 5), (0.5, 3), (0.25, 2), (0, 1), (-0.4, 1), (1.0000001, 5)])
def test_ratings_by_hand(ssim: float, rating: float):
    assert rating_of(ssim) == pytest.approx(rating)


@given(st.floats(-1, 1.01), st.floats(-1, 1.01))
def test_a_rating_stays_in_its_bounds_and_keeps_the_order(first: float, second: float):
    low, high = sorted((first, second))
    assert 1 <= rating_of(low) <= rating_of(high) <= 5


def test_damage_in_one_region_is_seen_there_alone(leaves: list[Pixels]):
    damaged = degrade(leaves[3], Degradation("blur", 5, REGIONS[0]), seed=0)
    values = ssim_between(leaves[3], damaged)
    # The window of 11 pixels reaches 5 beyond the damaged 56.
    assert np.abs(values[61:] - 1).max() < 1e-6
    assert np.abs(values[:, 61:] - 1).max() < 1e-6
    assert values[:56, :56].mean() < 0.98


def test_images_of_two_sizes_are_not_compared(leaves: list[Pixels]):
    with pytest.raises(DataError, match="one size"):
        ssim_between(leaves[0], leaves[0][:50])
