"""Near pairs of hashes, beside the plain loop over all pairs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.data.audit import hamming
from loupe.data.audit.hamming import near_pairs


def brute_force(hashes: list[int], distance: int) -> list[list[int]]:
    apart = ((i, j, (hashes[i] ^ hashes[j]).bit_count()) for i, j in combinations(range(len(hashes)), 2))
    return [list(row) for row in apart if row[2] <= distance]


@st.composite
def crowded_hashes(draw: st.DrawFn) -> list[int]:
    """Hashes near one another: a few roots, each with a few bits changed, and some that are anywhere."""
    roots = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    made: list[int] = []
    for _ in range(draw(st.integers(0, 25))):
        value = draw(st.sampled_from(roots))
        for bit in draw(st.lists(st.integers(0, 63), max_size=12)):
            value ^= 1 << bit
        made.append(value)
    return made + draw(st.lists(st.integers(0, 2**64 - 1), max_size=10))


@given(crowded_hashes(), st.integers(0, 16))
def test_the_bands_find_what_comparing_all_pairs_finds(hashes: list[int], distance: int):
    assert near_pairs(np.array(hashes, np.uint64), distance).tolist() == brute_force(hashes, distance)


def test_pairs_are_found_across_the_blocks_of_one_crowd(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hamming, "_BLOCK", 3)
    hashes = [0, 1, 3, 7, 15, 31, 63, 127, 2**63, 2**63 + 1]
    assert near_pairs(np.array(hashes, np.uint64), 2).tolist() == brute_force(hashes, 2)


@pytest.mark.parametrize("distance", range(17))
def test_the_bands_are_disjoint_and_cover_all_bits(distance: int):
    bands = [int(mask) for mask in hamming._bands(distance + 1)]
    assert len(bands) == distance + 1
    assert sum(mask.bit_count() for mask in bands) == 64
    assert sum(bands) == 2**64 - 1
    assert max(mask.bit_count() for mask in bands) - min(mask.bit_count() for mask in bands) <= 1


def test_many_hashes_that_are_far_apart_give_no_pair():
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    planted = hashes[:5] ^ np.array([0, 1, 3, 2**63, 2**40 + 2**20], np.uint64)
    found = near_pairs(np.concatenate([hashes, planted]), 3)
    assert found.tolist() == [[0, 20_000, 0], [1, 20_001, 1], [2, 20_002, 2], [3, 20_003, 1], [4, 20_004, 2]]


def test_no_hash_and_one_hash_have_no_pairs():
    assert near_pairs(np.array([], np.uint64), 6).shape == (0, 3)
    assert near_pairs(np.array([5], np.uint64), 6).shape == (0, 3)
