import pytest

from loupe.bench.verdicts import expected_rating, said_class, trouble, verdict_of, written_rating
from loupe.core.answer import parse
from loupe.core.records import DISTORTION_CLASSES, WHOLE, Episode, StopReason, Turn

GOOD = '<think></think><answer>{"distortion_class": "blur", "rating": 2.0}</answer>'


def turn(text: str, expected: float | None = None) -> Turn:
    return Turn(WHOLE, text, parse(text), tokens=1, seconds=0.0, expected_rating=expected)


def episode(*texts: str, stop: StopReason = StopReason.FINAL) -> Episode:
    return Episode("s", tuple(turn(text) for text in texts), stop)


def test_the_last_rating_is_the_verdict():
    later = GOOD.replace("2.0", "4.0")
    assert written_rating(verdict_of(episode(GOOD, later))) == 4.0


@pytest.mark.parametrize("stop", [StopReason.UNUSABLE, StopReason.TRUNCATED])
def test_a_later_look_that_ends_in_garbage_keeps_the_rating_before_it_and_says_so(stop: StopReason):
    failed = episode(GOOD, "garbage", stop=stop)
    assert verdict_of(failed) is failed.turns[0] and failed.kept_earlier
    assert verdict_of(episode("garbage", stop=stop)) is None


def test_an_episode_that_never_rates_says_so():
    silent = episode('<answer>{"distortion_class": "blur"}</answer>')
    assert verdict_of(silent) is None
    assert trouble(silent) == "no rating given"


def test_reaching_the_round_limit_is_no_failure():
    assert verdict_of(episode(GOOD, stop=StopReason.ROUND_LIMIT)) is not None


def test_the_expected_rating_falls_back_to_the_written_one():
    assert expected_rating(turn(GOOD)) == 2.0
    assert expected_rating(turn(GOOD, expected=2.4)) == 2.4
    assert written_rating(turn(GOOD, expected=2.4)) == 2.0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"distortion_class": "blur", "rating": 2}', "blur"),
        ('{"distortion_class": null, "rating": 2}', "clean"),
        ('{"distortion_class": "rain", "rating": 2}', "other"),
        ('{"rating": 2}', "other"),
    ],
)
def test_a_class_that_was_not_named_is_not_taken_for_clean(body: str, name: str):
    assert said_class(turn(f"<answer>{body}</answer>"), classes=DISTORTION_CLASSES) == name
    assert said_class(None, classes=DISTORTION_CLASSES) == "unusable"
