"""A small data folder with all that a sample can hold."""

import math
from dataclasses import replace

import pytest

from loupe.core.records import WHOLE, Degradation, Sample

LEVELS = (0.05, 0.15, 0.3, 0.3, 0.2)


def sample(number: int, split: str, mos: float) -> Sample:
    """An image on a scale of 0..100, the more the better."""
    return Sample(
        id=f"koniq-{number}",
        image=f"images/{number}.jpg",
        dataset="koniq",
        split=split,
        rating=1 + mos / 25,
        mos=mos,
        scale_min=0.0,
        scale_max=100.0,
        mos_std=10.0 + number / 7,
    )


@pytest.fixture
def rated() -> list[Sample]:
    """Two training images with the ends of the observed range, and three test images between them."""
    moses = ((0, "train", 10.0), (1, "train", 90.0), (2, "test", 30.1), (3, "test", 1 / 3 + 50), (4, "test", 72.9))
    return [sample(*item) for item in moses]


@pytest.fixture
def referenced(rated: list[Sample]) -> list[Sample]:
    """The same, made from two pictures, damaged, and with shares of opinions."""
    damages = (
        Degradation("blur", 3, WHOLE),
        Degradation("noise", 5, WHOLE),
        Degradation("compression", 1, WHOLE),
        Degradation(None, 0, None),
        Degradation("darken", 2, WHOLE),
    )
    return [
        replace(
            item,
            reference=f"references/{place % 2}.png",
            ref_id=str(place % 2),
            degradation=damage,
            distortion=damage.distortion_class and f"strong {damage.distortion_class}",
            level_probs=LEVELS,
        )
        for place, (item, damage) in enumerate(zip(rated, damages, strict=True))
    ]


@pytest.fixture
def unrated(rated: list[Sample]) -> Sample:
    """An image of the test split that nobody rated and whose damage nobody knows."""
    return replace(rated[2], id="koniq-9", image="images/9.jpg", rating=math.nan, mos=math.nan, mos_std=None)
