"""Numbers look the same wherever a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.numbers import count, fixed, interval, percent, plain, rating, scientific, seconds, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.853, ".853"),
        (-0.12, "-.120"),
        (1, "1.000"),
        (0.9996, "1.000"),
        (0, ".000"),
        (-0.0001, ".000"),
        (12.3, "12.300"),
    ],
)
def test_a_fraction_has_no_leading_zero(value: float, text: str) -> None:
    assert fixed(value) == text


@pytest.mark.parametrize("show", [fixed, plain, signed, rating, percent, scientific, seconds])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_missing_is_a_dash(show, value: float | None) -> None:
    assert show(value) == "–"
    assert count(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (100, "100"), (88.39, "88.39"), (-0.0001, "0"), (4.4894, "4.489"), (1e20, "1e+20")],
)
def test_an_end_of_a_scale_is_as_short_as_it_can_be(value: float, text: str) -> None:
    assert plain(value) == text


def test_an_interval_stands_in_brackets() -> None:
    assert interval(0.853, 0.841, 0.865) == ".853 [.841, .865]"
    assert interval(0.853, None, None) == ".853"
    assert interval(3.4171, 3.402, 3.449, places=2) == "3.42 [3.40, 3.45]"
    assert interval(None, None, None) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "+.012"), (-0.0041, "-.004"), (0.0001, ".000"), (-0.0001, ".000")]
)
def test_a_difference_has_a_sign_unless_it_is_nothing(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.853, "85.3 %"), (1, "100.0 %"), (-0.0, "0.0 %"), (0.00049, "0.0 %")])
def test_a_share_is_shown_in_percent(value: float, text: str) -> None:
    assert percent(value) == text


def test_counts_have_commas_and_ratings_two_decimals() -> None:
    assert count(1234567) == "1,234,567"
    assert rating(3.416) == "3.42"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0839, "84 ms"),
        (0.9996, "1.00 s"),
        (3.417, "3.42 s"),
        (9.996, "10.0 s"),
        (59.96, "1 min 00 s"),
        (307, "5 min 07 s"),
        (3599.7, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_a_span_of_time_is_shown_in_the_unit_that_fits_it(value: float, text: str) -> None:
    assert seconds(value) == text


@given(st.floats(-1e6, 1e6), st.integers(1, 6))
def test_the_printed_number_is_the_nearest_one(value: float, places: int) -> None:
    assert abs(float(fixed(value, places)) - value) <= 0.5000001 * 10**-places


@pytest.mark.parametrize(("value", "text"), [(2.34e-15, "2.3e-15"), (0.0, "0"), (12345.0, "1.2e+04")])
def test_a_number_far_from_one_has_two_digits_and_a_power(value: float, text: str) -> None:
    assert scientific(value) == text
