"""Checks of labels alone: their scale, the rating made of them, their spread, ties."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from loupe.core.records import Sample
from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.direction import rank_correlation
from loupe.data.audit.finding import Status
from loupe.data.audit.mos_scale import check_rating, check_scale
from loupe.data.audit.opinions import check_opinions, histogram, tied_share
from loupe.data.audit.spread import check_spread

Rows = Callable[..., list[Sample]]
Rate = Callable[[Sequence[Sample]], Rated]
EVEN = [round(1.05 + 0.1 * number, 2) for number in range(40)]
"""Forty opinions from 1.05 to 4.95."""


def test_opinions_on_their_scale_are_fine(rows: Rows, rated: Rate):
    found = check_scale(rated(rows(EVEN)))
    assert (found.status, found.numbers["outside"]) == (Status.OK, 0)
    assert found.numbers["used"] == pytest.approx(3.9 / 4)


def test_an_opinion_outside_the_scale_fails_and_is_named(rows: Rows, rated: Rate):
    found = check_scale(rated(rows([*EVEN, 5.2])))
    assert (found.status, found.numbers["outside"]) == (Status.FAIL, 1)
    assert found.examples == ("row-40: mos 5.200",)


@pytest.mark.parametrize(("high", "status"), [(8.0, Status.OK), (12.0, Status.WARN), (100.0, Status.FAIL)])
def test_opinions_that_use_a_part_of_the_scale_are_judged_by_how_small_it_is(
    high: float, status: Status, rows: Rows, rated: Rate
):
    assert check_scale(rated(rows(EVEN, scale_max=high))).status is status


def test_few_rows_say_nothing_of_the_part_that_they_use(rows: Rows, rated: Rate):
    assert check_scale(rated(rows([1.0, 1.2], scale_max=100.0))).status is Status.OK


def test_rows_of_two_scales_under_one_name_fail(rows: Rows, rated: Rate):
    found = check_scale(rated([*rows(EVEN), replace(rows([3.0], scale_max=100.0)[0], id="other")]))
    assert (found.status, found.numbers["scales"]) == (Status.FAIL, 2)


def test_a_scale_without_width_fails(rows: Rows, rated: Rate):
    samples = [replace(sample, scale_max=1.0) for sample in rows(EVEN)]
    assert check_scale(rated(samples)).status is Status.FAIL
    assert check_rating(rated(samples)).status is Status.SKIPPED


@pytest.mark.parametrize("better", [True, False])
def test_nominal_ratings_are_told_from_observed_and_turned_ones(better: bool, rows: Rows, rated: Rate):
    samples = rows([10.0, 40.0, 70.0], scale_min=0.0, scale_max=100.0, higher_is_better=better)
    assert check_rating(rated(samples)).numbers["mapping"] == "nominal"
    shares = [0.0, 0.5, 1.0] if better else [1.0, 0.5, 0.0]
    observed = [replace(row, rating=1 + 4 * share) for row, share in zip(samples, shares, strict=True)]
    found = check_rating(rated(observed))
    assert (found.status, found.numbers["mapping"]) == (Status.WARN, "observed")
    turned = check_rating(rated([replace(row, rating=6 - row.rating) for row in samples]))
    assert turned.status is Status.FAIL
    assert "turned" in turned.found


def test_ratings_of_neither_mapping_fail_and_ratings_of_two_decimals_do_not(rows: Rows, rated: Rate):
    samples = rows([10.0, 40.0, 71.3], scale_min=0.0, scale_max=100.0)
    rounded = [replace(row, rating=round(row.rating, 2)) for row in samples]
    assert check_rating(rated(rounded)).status is Status.OK
    shifted = [replace(row, rating=row.rating + 0.02) for row in samples]
    found = check_rating(rated(shifted))
    assert (found.status, found.numbers["mapping"]) == (Status.FAIL, "neither")


def test_where_opinions_reach_both_ends_both_mappings_hold(rows: Rows, rated: Rate):
    assert check_rating(rated(rows([1.0, 2.0, 5.0]))).numbers["mapping"] == "both"


def spread(rows: Rows, rated: Rate, std: Callable[[float], float], **fields: float) -> tuple[Status, str]:
    low, high = fields.get("scale_min", 1.0), fields.get("scale_max", 5.0)
    mos = np.linspace(low + 0.05 * (high - low), high - 0.05 * (high - low), 40).tolist()
    found = check_spread(rated([replace(row, mos_std=std(row.mos)) for row in rows(mos, **fields)]))
    return found.status, found.found


def test_deviations_of_a_panel_are_fine_on_any_scale(rows: Rows, rated: Rate):
    assert spread(rows, rated, lambda mos: 0.6)[0] is Status.OK
    assert spread(rows, rated, lambda mos: 15.0, scale_min=0.0, scale_max=100.0)[0] is Status.OK


def test_the_largest_deviation_that_a_mean_allows_is_no_fault_and_more_is(rows: Rows, rated: Rate):
    def largest(mos: float) -> float:
        return math.sqrt((mos - 1) * (5 - mos))

    assert spread(rows, rated, largest)[0] is Status.OK
    status, words = spread(rows, rated, lambda mos: 1.2 * largest(mos))
    assert status is Status.FAIL
    assert "more than opinions on this scale can spread" in words


def test_a_variance_on_a_wide_scale_is_named(rows: Rows, rated: Rate):
    status, words = spread(rows, rated, lambda mos: 15.0**2, scale_min=0.0, scale_max=100.0)
    assert status is Status.FAIL
    assert "look like variances" in words


def test_deviations_of_0_to_100_beside_opinions_of_1_to_5_fail(rows: Rows, rated: Rate):
    assert spread(rows, rated, lambda mos: 15.0)[0] is Status.FAIL


def test_deviations_of_1_to_5_beside_opinions_of_0_to_100_fail_and_are_named(rows: Rows, rated: Rate):
    status, words = spread(rows, rated, lambda mos: 0.6, scale_min=0.0, scale_max=100.0)
    assert status is Status.FAIL
    assert "they fit a scale of 1 to 5" in words


def test_standard_errors_of_a_mean_warn(rows: Rows, rated: Rate):
    status, words = spread(rows, rated, lambda mos: 0.13, scale_min=0.0, scale_max=9.0)
    assert status is Status.WARN
    assert "standard errors" in words


def test_negative_deviations_fail_and_few_or_none_are_skipped(rows: Rows, rated: Rate):
    assert spread(rows, rated, lambda mos: -0.5)[0] is Status.FAIL
    assert check_spread(rated(rows(EVEN))).status is Status.SKIPPED
    few = [replace(row, mos_std=0.5) if number < 9 else row for number, row in enumerate(rows(EVEN))]
    assert check_spread(rated(few)).status is Status.SKIPPED


def test_ties_are_counted_in_pairs():
    assert tied_share(np.array([1.0, 1.0, 2.0, 3.0])) == pytest.approx(1 / 6)
    assert tied_share(np.array([2.0, 2.0, 2.0])) == 1
    assert tied_share(np.array([2.0])) is None


def test_labels_of_five_levels_warn_and_equal_ones_fail(rows: Rows, rated: Rate):
    assert check_opinions(rated(rows(EVEN))).status is Status.OK
    assert check_opinions(rated(rows([1.0, 2.0, 3.0, 4.0, 5.0] * 8))).status is Status.WARN
    assert check_opinions(rated(rows([3.0] * 8))).status is Status.FAIL


def test_rows_that_nobody_rated_are_counted_and_left_out_of_every_check(rows: Rows, rated: Rate):
    samples = [*rows(EVEN), replace(rows([3.0])[0], id="unrated", mos=math.nan, rating=math.nan)]
    found = check_opinions(rated(samples))
    assert (found.status, found.numbers["unrated"]) == (Status.WARN, 1)
    assert check_scale(rated(samples)).numbers["images"] == 40
    for check in (check_opinions, check_scale, check_rating, check_spread):
        assert check(rated(samples[-1:])).status is Status.SKIPPED


def test_a_histogram_holds_every_row_also_those_outside_the_scale(rows: Rows, rated: Rate):
    made = histogram(rated(rows([*EVEN, 9.0])), split="test")
    assert sum(made["counts"]) == 41
    assert (made["edges"][0], made["edges"][-1]) == (1.0, 9.0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=30))
def test_the_rank_correlation_is_that_of_scipy(pairs: list[tuple[int, int]]):
    x, y = (np.array(values, np.float64) for values in zip(*pairs, strict=True))
    ours = rank_correlation(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
