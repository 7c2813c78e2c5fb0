"""Images are drawn in chunks without repetition, the same by every process, and rare ratings ever more often."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.grpo.sampler import ProgressiveSampler, ResamplingConfig, rarity

COMMON, RARE = 4.5, 1.2
RATINGS = [COMMON] * 27 + [RARE] * 3


def sampler(
    ratings: list[float] = RATINGS, *, power: float = 0.5, chunks: int = 6, seed: int = 0
) -> ProgressiveSampler:
    config = ResamplingConfig(final_power=power)
    return ProgressiveSampler(ratings, config, images_per_chunk=5, generations=4, passes=3, chunks=chunks, seed=seed)


def chunks_of(made: ProgressiveSampler) -> np.ndarray:
    """Indices as (chunks, passes, images, generations)."""
    return np.array(list(made)).reshape(made.chunks, made.passes, made.images_per_chunk, made.generations)


def test_a_chunk_holds_distinct_images_each_once_for_each_generation() -> None:
    drawn = chunks_of(sampler())
    assert (drawn == drawn[..., :1]).all()
    for chunk in drawn[:, 0, :, 0]:
        assert len(set(chunk.tolist())) == 5


def test_every_pass_over_a_chunk_sees_the_same_images() -> None:
    drawn = chunks_of(sampler())
    assert (drawn == drawn[:, :1]).all()
    assert len({tuple(chunk) for chunk in drawn[:, 0, :, 0].tolist()}) == 6


def test_the_length_is_the_number_of_indices() -> None:
    assert len(sampler()) == len(list(sampler())) == 6 * 3 * 5 * 4


def test_two_processes_draw_the_same_and_another_seed_something_else() -> None:
    assert list(sampler()) == list(sampler())
    assert list(sampler()) != list(sampler(seed=1))


def test_a_run_that_goes_on_at_a_chunk_draws_what_it_would_have_drawn() -> None:
    drawn = chunks_of(sampler())[:, 0, :, 0]
    for number in reversed(range(6)):
        assert sampler().draw(number).tolist() == drawn[number].tolist()


def test_power_zero_is_uniform_throughout() -> None:
    flat = sampler(power=0.0)
    for number in range(6):
        assert flat.weights(number) == pytest.approx(np.full(30, 1 / 30))


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_the_first_chunk_is_uniform_and_the_share_of_rare_ratings_grows(power: float) -> None:
    made = sampler(power=power)
    assert made.weights(0) == pytest.approx(np.full(30, 1 / 30))
    shares = [made.weights(number)[27:].sum() for number in range(6)]
    assert all(later > earlier for earlier, later in pairwise(shares))
    # At the end a rare image weighs (27 / 3) to the power times a common one.
    assert made.weights(5)[27] / made.weights(5)[0] == pytest.approx(9**power)
    assert made.weights(5).sum() == pytest.approx(1)


def test_at_power_one_both_kinds_of_rating_come_equally_often_at_the_end() -> None:
    assert sampler(power=1.0).weights(5)[27:].sum() == pytest.approx(0.5)
    late = [
        ProgressiveSampler(
            RATINGS, ResamplingConfig(1.0), images_per_chunk=1, generations=1, passes=1, chunks=2, seed=seed
        ).draw(1)[0]
        for seed in range(400)
    ]
    assert np.mean(np.array(late) >= 27) == pytest.approx(0.5, abs=0.1)


def test_one_chunk_alone_is_drawn_uniformly() -> None:
    assert sampler(power=1.0, chunks=1).weights(0) == pytest.approx(np.full(30, 1 / 30))


def test_a_chunk_as_large_as_the_data_takes_every_image() -> None:
    assert sorted(sampler([1.0, 2.0, 3.0, 4.0, 5.0]).draw(3).tolist()) == [0, 1, 2, 3, 4]


def test_rarity_is_worked_by_hand() -> None:
    # Four bins of one point: three images in the first, one in the last, to which the rating 5 belongs.
    assert rarity(np.array([1.0, 1.2, 1.9, 5.0]), bins=4) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


@given(st.lists(st.floats(1, 5), min_size=1, max_size=50), st.integers(1, 20))
def test_rarity_has_a_mean_of_one_and_is_higher_in_smaller_bins(ratings: list[float], bins: int) -> None:
    values = np.array(ratings)
    found = rarity(values, bins=bins)
    assert found.mean() == pytest.approx(1)
    place = np.minimum(((values - 1) / 4 * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)[place]
    assert np.allclose(found * counts, found[0] * counts[0])
