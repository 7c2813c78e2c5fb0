"""Rank reward: numbers of the reference, a slow loop over the formula, and what happens where the formula is silent."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loupe.core.errors import ConfigError, DataError
from loupe.rewards.arrays import FloatArray
from loupe.rewards.rank import fidelity, rank_reward, thurstone_probability
from loupe.rewards.rank_variants import VARIANTS

NAN = math.nan
SHARP = [3.5, 3.8, 3.2, 3.6, 3.4, 3.7]
BLURRED = [2.1, 2.5, 1.9, 2.3, 3.6, 2.2]


def phi(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))


def slow(
    ratings: FloatArray, mos: list[float], groups: list[int], *, epsilon: float = 1e-6, variant: str = "thurstone"
) -> FloatArray:
    """The formulas as they are printed, one number at a time."""
    said = [[float(q) for q in row if not math.isnan(q)] for row in ratings]
    mean = [sum(row) / len(row) if row else NAN for row in said]
    var = [
        sum((q - m) ** 2 for q in row) / (len(row) - 1) if len(row) > 1 else 0.0
        for row, m in zip(said, mean, strict=True)
    ]
    out = np.zeros_like(ratings)
    for i, row in enumerate(ratings):
        others = [j for j in range(len(mos)) if j != i and groups[j] == groups[i] and said[j]]
        for k, q in enumerate(row):
            if math.isnan(q) or not others:
                continue
            for j in others:
                p = 1.0 if mos[i] > mos[j] else 0.5 if mos[i] == mos[j] else 0.0
                if variant == "binary":
                    out[i, k] += float(np.sign(q - mean[j]) == np.sign(mos[i] - mos[j]))
                    continue
                if variant == "thurstone":
                    p_k = phi((q - mean[j]) / math.sqrt(var[i] + var[j] + 1e-6))
                else:
                    both = 2.0 if variant == "case-v" else var[i] + var[j]
                    p_k = sum(phi((q - other) / math.sqrt(both + 1e-6)) for other in said[j]) / len(said[j])
                out[i, k] += math.sqrt(p * p_k + epsilon) + math.sqrt((1 - p) * (1 - p_k) + epsilon)
            out[i, k] /= len(others)
    return out


def batches(usable_only: bool = False) -> st.SearchStrategy[FloatArray]:
    rating = st.integers(100, 500).map(lambda cents: cents / 100)
    element = rating if usable_only else st.one_of(rating, rating, rating, st.just(NAN))
    shape = st.tuples(st.integers(1, 5), st.integers(1, 4))
    return shape.flatmap(lambda size: arrays(np.float64, size, elements=element))


# Numbers of the reference


def test_two_images_with_an_outlier_give_the_numbers_of_the_reference_code() -> None:
    wanted = [
        [0.976425683, 0.992584032, 0.940929255, 0.983452627, 0.967258758, 0.988721422],
        [0.994533489, 0.973627253, 0.998229536, 0.987138025, 0.678278879, 0.991432603],
    ]
    assert rank_reward(np.array([SHARP, BLURRED]), [3.85, 2.4]) == pytest.approx(np.array(wanted), abs=2e-9)


def test_without_epsilon_a_reward_is_the_root_of_the_probability_of_the_right_order() -> None:
    # Image 0 rates 3 and 5 (mean 4, variance 2), image 1 rates 2 and 2 (variance 0): z = 1 / sqrt(2) and 3 / sqrt(2),
    # and Phi(x / sqrt(2)) = (1 + erf(x / 2)) / 2.
    rewards = rank_reward([[3.0, 5.0], [2.0, 2.0]], [4.0, 2.0], epsilon=0.0)
    right = [math.sqrt(0.5 * (1 + math.erf(0.5))), math.sqrt(0.5 * (1 + math.erf(1.5)))]
    below = math.sqrt(0.5 * (1 + math.erf(1.0)))
    assert rewards == pytest.approx(np.array([right, [below, below]]), abs=1e-6)
    assert right[0] == pytest.approx(0.871923, abs=1e-6)


def test_with_the_epsilon_of_the_code_the_range_is_the_one_of_the_code() -> None:
    right = rank_reward(np.array([[5.0, 5.0], [1.0, 1.0]]), [5.0, 1.0])
    wrong = rank_reward(np.array([[1.0, 1.0], [5.0, 5.0]]), [5.0, 1.0])
    assert right == pytest.approx(np.full((2, 2), 1.0010005), abs=1e-7)
    assert wrong == pytest.approx(np.full((2, 2), 0.002), abs=1e-7)


def test_equal_opinions_pay_most_for_equal_ratings() -> None:
    equal = rank_reward(np.array([[3.0, 3.0], [3.0, 3.0]]), [2.0, 2.0])
    apart = rank_reward(np.array([[5.0, 5.0], [1.0, 1.0]]), [2.0, 2.0])
    assert equal == pytest.approx(np.full((2, 2), 1.000002), abs=1e-9)
    assert apart == pytest.approx(np.full((2, 2), 0.708107488), abs=1e-9)


def test_zero_variance_is_kept_finite_by_gamma() -> None:
    # z = 0.001 / sqrt(1e-6) = 1.
    rewards = rank_reward(np.array([[3.001, 3.001], [3.0, 3.0]]), [4.0, 2.0])
    assert rewards[0] == pytest.approx(np.full(2, 0.91824901), abs=1e-8)


@pytest.mark.parametrize(
    ("q", "other", "variances", "truth", "p", "reward"),
    [
        (3.5, 3.0, (0.04, 0.09), 1.0, 0.917240257, 0.958727131),
        (3.5, 3.0, (0.04, 0.09), 0.0, 0.917240257, 0.288681669),
        (2.1, 3.25, (0.16, 0.25), 1.0, 0.036247571, 0.191390575),
        (2.1, 3.25, (0.16, 0.25), 0.0, 0.036247571, 0.982709442),
        (3.0, 3.0, (0.04, 0.09), 0.5, 0.5, 1.000002),
        (3.5, 3.0, (0.04, 0.09), 0.5, 0.917240257, 0.880638606),
        (4.9, 1.2, (0.04, 0.09), 0.5, 1.0, 0.708107488),
        (3.01, 3.0, (0.0, 0.0), 1.0, 1.0, 1.0010005),
        (3.01, 3.0, (0.0, 0.0), 0.0, 1.0, 0.002),
        (3.0, 3.0, (0.0, 0.0), 1.0, 0.5, 0.708107488),
        (3.001, 3.0, (0.0, 0.0), 1.0, 0.841344746, 0.91824901),
    ],
)
def test_a_single_comparison_gives_the_numbers_of_the_reference_code(
    q: float, other: float, variances: tuple[float, float], truth: float, p: float, reward: float
) -> None:
    probability = thurstone_probability(q, other, *variances)
    assert probability == pytest.approx(p, abs=1e-9)
    assert fidelity(probability, truth) == pytest.approx(reward, abs=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60)
@given(batches(), st.data(), st.sampled_from([0.0, 1e-6]))
def test_every_variant_agrees_with_the_slow_loop(
    variant: str, ratings: FloatArray, data: st.DataObject, epsilon: float
) -> None:
    images = len(ratings)
    mos = data.draw(st.lists(st.sampled_from([1.0, 2.0, 3.5]), min_size=images, max_size=images))
    groups = data.draw(st.lists(st.integers(0, 1), min_size=images, max_size=images))
    fast = rank_reward(ratings, mos, groups=groups, epsilon=epsilon, variant=variant)
    # With epsilon 0 the loop loses the root of 1e-16 where it takes 1 - p of a p that is nearly 1.
    tolerance = 1e-11 if epsilon else 1e-7
    assert fast == pytest.approx(slow(ratings, mos, groups, epsilon=epsilon, variant=variant), abs=tolerance)


def test_the_slices_of_a_large_batch_are_one_batch() -> None:
    rng = np.random.default_rng(3)
    ratings, mos = np.round(rng.uniform(1, 5, (140, 8)), 2), list(np.round(rng.uniform(1, 5, 140), 1))
    assert 8 * 140 * 140 > 1 << 16
    assert rank_reward(ratings, mos) == pytest.approx(slow(ratings, mos, [0] * 140), abs=1e-11)


def test_case_v_is_the_average_with_both_variances_one() -> None:
    rewards = rank_reward([[4.0, 3.0], [2.0, 2.5]], [4.0, 2.0], variant="case-v", epsilon=0.0)
    first = math.sqrt((phi(2.0 / math.sqrt(2.000001)) + phi(1.5 / math.sqrt(2.000001))) / 2)
    assert rewards[0, 0] == pytest.approx(first, abs=1e-12)


def test_the_binary_variant_pays_the_right_side_and_nothing_else() -> None:
    ratings = [[4.0, 2.0, 3.0], [3.0, 3.0, 3.0]]
    assert rank_reward(ratings, [4.0, 2.0], variant="binary").tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert rank_reward(ratings, [2.0, 2.0], variant="binary")[0].tolist() == [0.0, 0.0, 1.0]


def test_a_floor_under_the_variance_keeps_a_small_gap_from_being_certain() -> None:
    agreed = [[3.01, 3.01], [3.0, 3.0]]
    assert rank_reward(agreed, [4.0, 2.0], epsilon=0.0)[0, 0] > 0.999999
    floored = rank_reward(agreed, [4.0, 2.0], epsilon=0.0, min_variance=0.08)
    assert floored[0, 0] == pytest.approx(math.sqrt(phi(0.01 / math.sqrt(0.160001))), abs=1e-12)


# Where the formula is silent


def test_an_unusable_answer_earns_nothing_and_leaves_the_others_as_if_it_were_not_there() -> None:
    gap = rank_reward(np.array([[3.0, NAN, 4.0], [2.0, NAN, 3.0]]), [4.0, 2.0])
    assert gap[:, 1].tolist() == [0.0, 0.0]
    assert np.array_equal(gap[:, [0, 2]], rank_reward(np.array([[3.0, 4.0], [2.0, 3.0]]), [4.0, 2.0]))


def test_none_is_a_missing_rating_too() -> None:
    paid = [rank_reward([[3.0, gap], [2.0, 2.5]], [4.0, 2.0]) for gap in (None, NAN)]
    assert np.array_equal(*paid)


def test_an_image_without_any_rating_is_nobodys_partner() -> None:
    three = rank_reward(np.array([[3.0, 4.0], [2.0, 2.5], [NAN, NAN]]), [4.0, 2.0, 3.0])
    two = rank_reward(np.array([[3.0, 4.0], [2.0, 2.5]]), [4.0, 2.0])
    assert np.array_equal(three[:2], two)
    assert three[2].tolist() == [0.0, 0.0]


def test_an_image_alone_in_its_group_earns_nothing() -> None:
    assert rank_reward(np.array([[3.0, 4.0]]), [2.0]).tolist() == [[0.0, 0.0]]
    rewards = rank_reward(np.array([[3.0], [2.0], [1.0]]), [3.0, 2.0, 1.0], groups=["a", "b", "a"])
    assert rewards[1, 0] == 0.0 and rewards[0, 0] > 1.0 and rewards[2, 0] > 1.0


def test_one_sample_has_no_variance_and_is_still_ranked() -> None:
    rewards = rank_reward(np.array([[4.0], [2.0]]), [1.0, 5.0])
    assert rewards == pytest.approx(np.full((2, 1), 0.002), abs=1e-7)


def test_images_of_different_groups_are_never_compared() -> None:
    ratings = np.array([[3.0, 3.5], [2.0, 2.2], [1.0, 4.0], [4.4, 4.5]])
    mos = [4.0, 2.0, 77.0, 12.0]
    together = rank_reward(ratings, mos, groups=["x", "x", "y", "y"])
    assert np.array_equal(together[:2], rank_reward(ratings[:2], mos[:2]))
    assert np.array_equal(together[2:], rank_reward(ratings[2:], mos[2:]))


# Theorems


@given(batches(), st.data())
def test_the_order_of_images_and_samples_does_not_matter(ratings: FloatArray, data: st.DataObject) -> None:
    images, samples = ratings.shape
    mos = np.arange(images) % 3.0
    rows = np.array(data.draw(st.permutations(range(images))))
    columns = np.array(data.draw(st.permutations(range(samples))))
    shuffled = rank_reward(ratings[rows][:, columns], mos[rows])
    assert shuffled == pytest.approx(rank_reward(ratings, mos)[rows][:, columns], abs=1e-9)


@given(batches(), st.data())
def test_a_data_set_whose_opinions_are_mapped_by_an_increasing_function_is_paid_the_same(
    ratings: FloatArray, data: st.DataObject
) -> None:
    images = len(ratings)
    mos = np.array(data.draw(st.lists(st.integers(0, 3), min_size=images, max_size=images)), dtype=np.float64)
    groups = np.array(data.draw(st.lists(st.integers(0, 1), min_size=images, max_size=images)))
    steps = np.array(data.draw(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4)))
    mapped = np.where(groups == 0, np.cumsum(steps)[mos.astype(int)] - 500.0, mos)
    paid = [rank_reward(ratings, opinions, groups=list(groups)) for opinions in (mos, mapped)]
    assert np.array_equal(*paid)


@given(batches())
def test_every_reward_of_the_papers_formula_lies_between_zero_and_one(ratings: FloatArray) -> None:
    rewards = rank_reward(ratings, np.arange(len(ratings)), epsilon=0.0)
    assert np.all(rewards >= 0.0) and np.all(rewards <= 1.0 + 1e-12)


@given(batches(usable_only=True))
def test_turning_the_scale_of_ratings_and_opinions_around_changes_nothing(ratings: FloatArray) -> None:
    mos = np.arange(len(ratings), dtype=np.float64)
    assert rank_reward(6.0 - ratings, -mos) == pytest.approx(rank_reward(ratings, mos), abs=1e-6)


@given(batches(usable_only=True))
def test_of_the_best_image_a_higher_rating_never_earns_less(ratings: FloatArray) -> None:
    mos = np.arange(len(ratings), dtype=np.float64)
    best = rank_reward(ratings, mos)[-1]
    assert np.all(np.diff(best[np.argsort(ratings[-1], kind="stable")]) >= -1e-12)


# What is refused at the door


def test_shapes_and_numbers_that_mean_nothing_are_refused() -> None:
    with pytest.raises(DataError, match=r"wanted \(images, samples\)"):
        rank_reward(np.array([1.0, 2.0]), [1.0, 2.0])
    with pytest.raises(DataError, match="mos of shape"):
        rank_reward(np.ones((2, 2)), [1.0])
    with pytest.raises(DataError, match="not finite for image 1"):
        rank_reward(np.ones((2, 2)), [1.0, NAN])
    with pytest.raises(DataError, match="infinite"):
        rank_reward(np.array([[math.inf]]), [1.0])
    with pytest.raises(DataError, match="1 groups for 2 images"):
        rank_reward(np.ones((2, 2)), [1.0, 2.0], groups=["a"])
    with pytest.raises(DataError, match="1 missing ratings"):
        rank_reward([[1.0, NAN], [2.0, 3.0]], [1.0, 2.0], missing="refuse")
    for wrong in (
        {"epsilon": -1.0},
        {"epsilon": math.inf},
        {"min_variance": -1.0},
        {"variant": "elo"},
        {"missing": "random"},
    ):
        with pytest.raises(ConfigError, match="wanted"):
            rank_reward(np.ones((2, 2)), [1.0, 2.0], **wrong)  # type: ignore[arg-type]


def test_ratings_of_any_size_give_finite_rewards() -> None:
    rewards = rank_reward([[1e308, 1e308], [-1e308, 2.0]], [4.0, 2.0])
    # Cut off at 1e100: a mean of -5e99 and a variance of 5e199 are 1.5 / sqrt(0.5) deviations below.
    assert np.isfinite(rewards).all()
    assert rewards[0].tolist() == pytest.approx([math.sqrt(phi(1.5 / math.sqrt(0.5)) + 1e-6) + 1e-3] * 2, abs=1e-9)


def test_an_unnamed_data_set_is_compared_with_nobody() -> None:
    assert rank_reward([[3.0], [2.0]], [4.0, 2.0], groups=np.array([NAN, NAN])).tolist() == [[0.0], [0.0]]


def test_what_is_no_array_of_numbers_is_refused() -> None:
    for wrong in ([[1.0], [1.0, 2.0]], [["good"], ["bad"]]):
        with pytest.raises(DataError, match="no array of numbers"):
            rank_reward(wrong, [1.0, 2.0])  # type: ignore[arg-type]


def test_no_images_have_no_rewards() -> None:
    assert rank_reward(np.zeros((0, 4)), []).shape == (0, 4)
