"""What several tests of the data package look at: a few pristine images, made once."""

import pytest

from loupe.data.degrade import Pixels
from loupe.data.pristine import dead_leaves


@pytest.fixture(scope="session")
def leaves() -> list[Pixels]:
    """Six pristine images (112, 112, 3)."""
    return [dead_leaves(seed, size=112) for seed in range(6)]
