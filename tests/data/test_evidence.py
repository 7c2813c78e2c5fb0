import json

import numpy as np
import pytest

from loupe.core.records import WHOLE, Box, Degradation
from loupe.data.degrade import CLEAN, REGIONS, Pixels, degrade
from loupe.data.evidence import Evidence, measure_views, overlap

CORNER = Degradation("noise", 3, (0.0, 0.0, 0.5, 0.5))


def evidence(rating: float, overview: float) -> Evidence:
    return Evidence("x", rating, overview, (5.0,) * 9)


@pytest.mark.parametrize(
    ("truth", "view", "share"),
    [
        (CORNER, (0.0, 0.0, 0.5, 0.5), 1.0),
        (CORNER, (0.25, 0.25, 0.75, 0.75), 0.25),
        (CORNER, (0.25, 0.0, 0.75, 0.5), 0.5),
        (CORNER, WHOLE, 0.25),
        (CORNER, (0.5, 0.0, 1.0, 0.5), 0.0),
        (CORNER, (0.6, 0.6, 0.9, 0.9), 0.0),
        (CORNER, (0.1, 0.1, 0.2, 0.3), 1.0),
        (Degradation("noise", 3, WHOLE), (0.5, 0.5, 1.0, 1.0), 1.0),
        (Degradation("noise", 3, None), (0.5, 0.5, 1.0, 1.0), 1.0),
        (CLEAN, WHOLE, 0.0),
    ],
)
def test_the_share_of_a_view_that_is_damaged_by_hand(truth: Degradation, view: Box, share: float):
    assert overlap(truth, view) == pytest.approx(share)


def test_an_image_that_lost_less_than_a_quarter_point_is_never_hard():
    assert evidence(4.75, 5.0).hard
    assert not evidence(4.76, 5.0).hard


def test_an_image_is_hard_where_the_overview_shows_less_than_three_quarters_of_its_loss():
    # A loss of 2.0; three quarters of it are 1.5, an overview of 3.5.
    assert evidence(3.0, 3.51).hard
    assert not evidence(3.0, 3.5).hard
    assert not evidence(3.0, 2.0).hard


def test_a_pristine_image_loses_nothing_in_any_view(leaves: list[Pixels]):
    found = measure_views("a", leaves[0], leaves[0])
    assert found == Evidence("a", 5.0, 5.0, (5.0,) * 9)
    assert not found.hard


def test_the_region_that_is_damaged_is_the_region_that_is_worst(leaves: list[Pixels]):
    for number, region in enumerate(REGIONS):
        damaged = degrade(leaves[1], Degradation("pixelate", 5, region), seed=0)
        found = measure_views("a", leaves[1], damaged)
        assert found.region_ratings[number] == min(found.region_ratings)
        assert found.rating < 4
        assert all(1 <= rating <= 5 for rating in (found.rating, found.overview_rating, *found.region_ratings))


def test_a_quarter_that_is_damaged_rates_about_as_if_all_of_it_were(leaves: list[Pixels]):
    local = measure_views("a", leaves[4], degrade(leaves[4], Degradation("noise", 5, REGIONS[4]), seed=0))
    whole = measure_views("a", leaves[4], degrade(leaves[4], Degradation("noise", 5, WHOLE), seed=0))
    assert local.region_ratings[4] >= whole.rating
    assert abs(local.rating - whole.region_ratings[4]) < 0.8


def test_fine_noise_fades_in_the_overview_and_darkness_does_not():
    rng = np.random.default_rng(0)
    pristine = (110 + 60 * np.sin(np.linspace(0, 12, 448))[:, None, None] + np.zeros((448, 448, 3))).astype(np.uint8)
    noisy = degrade(pristine, Degradation("noise", 2, WHOLE), seed=int(rng.integers(9)))
    dark = degrade(pristine, Degradation("darken", 4, WHOLE, "shift"), seed=0)
    assert measure_views("a", pristine, noisy).hard
    assert not measure_views("a", pristine, dark).hard


def test_evidence_survives_json():
    found = Evidence("x", 3.21, 4.5, tuple(np.round(np.linspace(1, 5, 9), 2).tolist()))
    assert Evidence.from_json(json.loads(json.dumps(found.to_json()))) == found
