"""From a raw opinion to a rating, a deviation on its scale, and a soft distribution over five levels."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.naming import check_distortions, degradation_of
from loupe.data.recipes.recipe import Recipe, SplitPlan
from loupe.data.recipes.row import LabelRow
from loupe.data.recipes.scale import Scale
from loupe.data.recipes.soft_levels import LEVELS, soft_levels
from loupe.data.recipes.spread import on_mos_scale

RATINGS, STDS = st.floats(1.0, 5.0), st.floats(0.0, 2.0)


@pytest.mark.parametrize(("mos", "rating"), [(0.0, 1.0), (50.0, 3.0), (75.0, 4.0), (100.0, 5.0)])
def test_the_nominal_range_becomes_one_to_five(mos: float, rating: float) -> None:
    assert Scale(0.0, 100.0).rating(mos) == rating


@given(st.floats(0.0, 9.0))
def test_turning_the_direction_mirrors_the_rating(mos: float) -> None:
    up, down = Scale(0.0, 9.0), Scale(0.0, 9.0, higher_is_better=False)
    assert up.rating(mos) + down.rating(mos) == pytest.approx(6.0)


def test_a_deviation_has_no_direction() -> None:
    assert Scale(0.0, 1.0, higher_is_better=False).std(0.1) == pytest.approx(0.4)


def test_a_scale_without_a_range_is_refused() -> None:
    with pytest.raises(DataError, match="set scale_min and scale_max"):
        Scale(3.0, 3.0)


def test_a_variance_becomes_its_root() -> None:
    assert on_mos_scale(0.496, Recipe(std="variance"), where="row 1") == pytest.approx(0.70427, abs=1e-5)


def test_a_deviation_of_another_scale_is_stretched() -> None:
    recipe = Recipe(std="std", std_scale=[1.0, 5.0], scale_min=1.0, scale_max=100.0)
    assert on_mos_scale(1.0, recipe, where="row 1") == pytest.approx(24.75)


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_a_deviation_that_cannot_be_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="row 1: the deviation is"):
        on_mos_scale(value, Recipe(std="std"), where="row 1")


@given(RATINGS, STDS)
def test_soft_levels_are_shares_with_the_mean_of_the_opinions(rating: float, std: float) -> None:
    shares = soft_levels(rating, std)
    assert min(shares) >= 0.0
    assert sum(shares) == pytest.approx(1.0, abs=1e-9)
    assert sum(share * level for share, level in zip(shares, LEVELS, strict=True)) == pytest.approx(rating, abs=1e-6)


def test_soft_levels_of_a_mean_in_the_middle_are_the_scaled_masses_of_a_gaussian() -> None:
    # Phi(.5) - Phi(-.5), Phi(1.5) - Phi(.5), Phi(2.5) - Phi(1.5), over their sum Phi(2.5) - Phi(-2.5).
    middle, next_to, end = 0.382925, 0.241730, 0.060598
    total = middle + 2 * next_to + 2 * end
    want = (end / total, next_to / total, middle / total, next_to / total, end / total)
    assert soft_levels(3.0, 1.0) == pytest.approx(want, abs=1e-5)


def test_the_correction_is_linear_in_the_masses() -> None:
    # Mean 2.6, deviation 1: where no share is negative, a p + b of the masses in all five bins is what comes out.
    below = [0.5 * math.erfc((2.6 - edge) / math.sqrt(2.0)) for edge in (5.5, 4.5, 3.5, 2.5, 1.5, 0.5)]
    masses = [high - low for high, low in pairwise(below)]
    shares = soft_levels(2.6, 1.0)
    slopes = [(shares[n + 1] - shares[n]) / (masses[n + 1] - masses[n]) for n in range(4)]
    assert min(shares) > 0.0
    assert slopes == pytest.approx([slopes[0]] * 4)


def test_a_small_deviation_is_parted_between_the_two_neighbours() -> None:
    assert soft_levels(4.25, 0.1) == pytest.approx((0.25, 0.75, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("rating", [1.0, 5.0])
def test_an_opinion_at_an_end_has_all_its_mass_there(rating: float) -> None:
    assert max(soft_levels(rating, 0.6)) == pytest.approx(1.0)


def test_a_damage_without_a_level_has_no_class_in_loupe() -> None:
    recipe = Recipe(name="live", distortions={"wn": "noise"})
    assert degradation_of(LabelRow("a.bmp", distortion="wn"), recipe) is None


def test_level_zero_is_a_clean_image() -> None:
    clean = degradation_of(LabelRow("a.bmp", distortion="wn", level=0), Recipe(distortions={"wn": "noise"}))
    assert clean is not None
    assert (clean.distortion_class, clean.severity, clean.bbox_2d) == (None, 0, None)


def test_a_level_beyond_five_is_refused() -> None:
    with pytest.raises(DataError, match="the level is 6; wanted 1 to 5"):
        degradation_of(LabelRow("a.bmp", distortion="wn", level=6), Recipe())


def test_a_class_that_loupe_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"distortions\.wn is 'grain'; wanted noise, blur"):
        check_distortions(Recipe(distortions={"wn": "grain"}))


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.5, 0.3, 0.3], [1.2, -0.1, -0.1]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ConfigError, match="three shares"):
        Recipe(split=SplitPlan(shares=shares))
