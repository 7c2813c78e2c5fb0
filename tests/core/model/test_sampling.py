"""A draw takes the token in whose share of the unit interval the number falls, after the filters of transformers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from loupe.core.errors import ConfigError
from loupe.core.model.sampling import choose, log_prob
from loupe.core.sampling import GREEDY, Sampling

LAST = 1 - 2**-53
"""The largest number that a generator of uniform numbers gives."""
FOUR = [0.1, 0.4, 0.2, 0.3]
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0.1, 10.0),
    top_p=st.floats(0.05, 1.0),
    top_k=st.integers(0, 12),
    min_p=st.floats(0.0, 0.9),
)


def shares(logits: torch.Tensor, sampling: Sampling, *, steps: int = 10_000) -> torch.Tensor:
    """How much of the unit interval each token of one row (V,) takes, to within 1 / steps."""
    grid = (np.arange(steps) + 0.5) / steps
    drawn = choose(logits.expand(steps, -1), sampling, grid)
    return torch.bincount(drawn, minlength=len(logits)) / steps


def noise(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 1), (0.19, 1), (0.21, 2), (0.49, 2), (0.51, 4), (LAST, 4)])
def test_a_token_is_the_one_in_whose_share_of_the_unit_interval_the_number_falls(uniform: float, token: int) -> None:
    # Tokens 0, 3 and 5 are impossible, the others take 0.2, 0.3 and 0.5.
    logits = torch.log(torch.tensor([[0.0, 0.2, 0.3, 0.0, 0.5, 0.0]]))
    assert choose(logits, Sampling(), np.array([uniform])).tolist() == [token]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.4, 0.2, 0.3]),
        # Half the temperature squares the probabilities: 1 + 16 + 4 + 9 = 30.
        (Sampling(temperature=0.5), [1 / 30, 16 / 30, 4 / 30, 9 / 30]),
        (Sampling(top_k=2), [0, 4 / 7, 0, 3 / 7]),
        (Sampling(top_k=9), [0.1, 0.4, 0.2, 0.3]),
        # The token that reaches the share stays; the one after it goes.
        (Sampling(top_p=0.39), [0, 1, 0, 0]),
        (Sampling(top_p=0.41), [0, 4 / 7, 0, 3 / 7]),
        (Sampling(top_p=0.71), [0, 4 / 9, 2 / 9, 3 / 9]),
        (Sampling(min_p=0.6), [0, 4 / 7, 0, 3 / 7]),
        (Sampling(min_p=0.49), [0, 4 / 9, 2 / 9, 3 / 9]),
        # The temperature comes first: 4 / 16 is below 0.3, where 2 / 4 is not.
        (Sampling(temperature=0.5, min_p=0.3), [0, 16 / 25, 0, 9 / 25]),
        # The share is one of what top_k left: (16 + 9) / 29 is above 0.85, (16 + 9) / 30 is not.
        (Sampling(temperature=0.5, top_k=3, top_p=0.85), [0, 16 / 25, 0, 9 / 25]),
        (Sampling(temperature=0.5, top_p=0.85), [0, 16 / 29, 4 / 29, 9 / 29]),
        (Sampling(top_p=1e-9), [0, 1, 0, 0]),
        (Sampling(min_p=1.0), [0, 1, 0, 0]),
    ],
)
def test_the_filters_leave_what_they_should_of_one_two_three_and_four_tenths(
    sampling: Sampling, expected: list[float]
) -> None:
    found = shares(torch.log(torch.tensor(FOUR)), sampling)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1.01e-4)
    assert [share > 0 for share in found.tolist()] == [share > 0 for share in expected]


@given(st.integers(0, 10**6), SAMPLINGS)
def test_shares_are_those_of_the_filters_of_transformers(seed: int, sampling: Sampling) -> None:
    logits = noise(seed, 1, 12).double()
    read: Any = None  # what was read so far, which none of them looks at
    scores = TemperatureLogitsWarper(sampling.temperature)(read, logits)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(read, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(read, scores)
    # transformers takes the most probable of all, which the other filters never take out: the same.
    scores = MinPLogitsWarper(sampling.min_p)(read, scores)
    expected = torch.softmax(scores, dim=-1)[0].float()
    torch.testing.assert_close(shares(logits[0], sampling), expected, rtol=0, atol=1.01e-4)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.7, top_p=0.9, min_p=0.02)])
def test_tokens_are_drawn_as_often_as_they_are_probable(sampling: Sampling) -> None:
    logits, draws = noise(4, 30).double() / 2, 20_000
    chance = torch.softmax(logits / sampling.temperature, dim=-1)
    best, order = chance.sort(descending=True)
    held = torch.cat([torch.zeros(1), best.cumsum(0)[:-1]])
    chance[order[(held >= sampling.top_p) | (best < sampling.min_p * best[0])]] = 0.0
    wanted = (chance / chance.sum()).numpy() * draws
    drawn = choose(logits.expand(draws, -1), sampling, np.random.default_rng(11).random(draws))
    seen = np.bincount(drawn.numpy(), minlength=30)
    possible = wanted > 0
    assert not seen[~possible].any()
    assert possible.sum() > 8
    # Beyond this a right sampler falls once in ten thousand seeds; this seed is fixed.
    gap = ((seen - wanted)[possible] ** 2 / wanted[possible]).sum()
    assert gap < chi2.ppf(1 - 1e-4, possible.sum() - 1)


@given(st.integers(0, 10**6), st.floats(0, LAST), SAMPLINGS)
def test_one_token_to_choose_from_is_the_greedy_one(seed: int, uniform: float, sampling: Sampling) -> None:
    logits, one = noise(seed, 3, 12), Sampling(sampling.temperature, sampling.top_p, 1, sampling.min_p)
    greedy = logits.argmax(-1).tolist()
    assert choose(logits, one, np.full(3, uniform)).tolist() == greedy
    assert choose(logits, GREEDY, np.full(3, uniform)).tolist() == greedy


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(top_k=1)])
def test_of_equally_probable_tokens_greedy_takes_the_first(sampling: Sampling) -> None:
    assert choose(torch.tensor([[0.0, 2.0, 1.0, 2.0]]), sampling, np.array([LAST])).tolist() == [1]


@given(st.integers(0, 10**6), st.lists(st.floats(0, LAST), min_size=2, max_size=5), SAMPLINGS)
def test_a_row_draws_from_its_own_number_and_no_other(seed: int, uniform: list[float], sampling: Sampling) -> None:
    logits, numbers = noise(seed, len(uniform), 12), np.array(uniform)
    together = choose(logits, sampling, numbers).tolist()
    alone = [choose(logits[row : row + 1], sampling, numbers[row : row + 1]).item() for row in range(len(uniform))]
    assert together == alone


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 2**-53, 0.5, LAST]),
    st.builds(Sampling, temperature=st.sampled_from([0.0, 0.01, 1.0, 1e6]), top_k=st.sampled_from([0, 5, 12])),
    st.sets(st.integers(0, 11), min_size=1, max_size=11),
)
def test_what_must_not_be_drawn_never_is(seed: int, uniform: float, sampling: Sampling, barred: set[int]) -> None:
    logits = noise(seed, 1, 12).index_fill(1, torch.tensor(sorted(barred)), -torch.inf)
    assert choose(logits, sampling, np.array([uniform])).item() not in barred


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1.0, math.log(0.3)), (0.5, math.log(0.09 / 0.38)), (0.0, math.log(0.3))],
)
def test_the_log_probability_of_three_tenths_beside_a_half_and_a_fifth(temperature: float, expected: float) -> None:
    # Squared, 0.2, 0.3 and 0.5 are 0.04, 0.09 and 0.25 of 0.38. Greedy draws are read at 1. Any constant may be added.
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5]])) + 7
    assert log_prob(logits, torch.tensor([1]), temperature=temperature).item() == pytest.approx(expected, abs=1e-6)


def test_log_probabilities_are_each_row_s_own() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.8], [0.5, 0.5]]))
    found = log_prob(logits, torch.tensor([0, 1]), temperature=1.0)
    torch.testing.assert_close(found, torch.log(torch.tensor([0.2, 0.5])), rtol=0, atol=1e-6)


def test_only_filters_take_tokens_out() -> None:
    assert not Sampling(temperature=0.7).filters
    assert all(made.filters for made in (Sampling(top_k=5), Sampling(top_p=0.9), Sampling(min_p=0.1)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("top_k", -1),
        ("min_p", -0.1),
        ("min_p", 1.1),
    ],
)
def test_numbers_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"sampling: got .*{name} {value}.*; wanted a finite temperature"):
        Sampling(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.0), ("top_p", 1.0), ("min_p", 0.0), ("min_p", 1.0)])
def test_the_ends_of_the_ranges_are_allowed(name: str, value: Any) -> None:
    assert getattr(Sampling(**{name: value}), name) == value
