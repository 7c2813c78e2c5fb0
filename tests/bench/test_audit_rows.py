import math

import pytest

from loupe.bench.audit.rows import ABOVE_ZERO, MIN_IMAGES, Figure, Limits, Row, Verdict
from loupe.bench.correlate import UNDEFINED, Interval

ALARM = Limits(higher_is_better=False, red=0.0, green=0.05)


def row(*figures: Figure, n: int = 100) -> Row:
    return Row("section", "name", n, figures, "it was made so")


@pytest.mark.parametrize(
    ("limits", "bounds", "verdict"),
    [
        (ABOVE_ZERO, (0.1, 0.2), Verdict.GREEN),
        (ABOVE_ZERO, (-0.1, 0.2), Verdict.GREY),
        (ABOVE_ZERO, (-0.2, -0.1), Verdict.RED),
        (ABOVE_ZERO, (0.0, 0.2), Verdict.GREY),
        (ABOVE_ZERO, (-0.2, 0.0), Verdict.GREY),
        (ALARM, (0.01, 0.03), Verdict.RED),
        (ALARM, (-0.02, 0.04), Verdict.GREEN),
        (ALARM, (-0.02, 0.06), Verdict.GREY),
        (ALARM, (-0.3, -0.2), Verdict.GREEN),
        (Limits(red=0.5, green=0.5), (0.6, 0.9), Verdict.GREEN),
        (Limits(red=0.5, green=0.5), (0.3, 0.49), Verdict.RED),
    ],
)
def test_a_verdict_wants_the_whole_interval_on_one_side(limits: Limits, bounds: tuple[float, float], verdict: Verdict):
    assert limits.verdict(Interval(sum(bounds) / 2, *bounds), n=MIN_IMAGES) is verdict


def test_too_few_images_are_grey_however_clear_the_figure_is():
    assert ABOVE_ZERO.verdict(Interval(-1.0, -1.0, -1.0), n=MIN_IMAGES - 1) is Verdict.GREY


def test_a_figure_without_an_interval_is_grey():
    assert ABOVE_ZERO.verdict(UNDEFINED, n=100) is Verdict.GREY
    assert ABOVE_ZERO.verdict(Interval(1.0, math.nan, math.nan), n=100) is Verdict.GREY


def test_one_red_figure_makes_a_row_red_and_one_green_a_row_without_red_green():
    green, grey, red = (Figure("x", Interval(at, at - 0.1, at + 0.1), ABOVE_ZERO) for at in (1.0, 0.0, -1.0))
    assert row(green, grey, red).verdict is Verdict.RED
    assert row(grey, green).verdict is Verdict.GREEN
    assert row(grey).verdict is Verdict.GREY
    assert row(Figure("x", Interval(0.0, -1.0, 1.0))).verdict is Verdict.NONE


def test_the_reason_is_given_for_a_red_row_alone_and_every_judged_figure_has_its_rule():
    red = row(Figure("x", Interval(-1.0, -1.1, -0.9), ABOVE_ZERO)).to_json()
    green = row(Figure("x", Interval(1.0, 0.9, 1.1), ALARM), n=3).to_json()
    assert (red["reason"], green["reason"]) == ("it was made so", None)
    assert red["figures"][0]["rule"] == "red below 0, green above 0"  # type: ignore[index]
    assert green["figures"][0]["rule"] == "red above 0, green below .05"  # type: ignore[index]
