import pytest

from loupe.bench.verdicts import (
    expected_rating,
    last_word,
    said_class,
    said_severity,
    trouble,
    verdict_of,
    written_rating,
)
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


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"distortion_class": "blur", "severity": "slight"}', "slight"),
        ('{"distortion_class": "blur", "severity": "huge"}', "other"),
        ('{"distortion_class": "blur", "severity": null}', "clean"),
        ('{"distortion_class": "blur"}', "other"),
        # Whoever calls an image clean has said how strong it is damaged.
        ('{"distortion_class": null}', "clean"),
        ('{"rating": 2}', "other"),
    ],
)
def test_a_severity_that_was_not_named_is_not_taken_for_none(body: str, word: str):
    assert said_severity(turn(f"<answer>{body}</answer>")) == word
    assert said_severity(None) == "unusable"


def test_a_task_without_a_rating_takes_the_last_answer_that_says_all_it_asks_for():
    whole = '<answer>{"distortion_class": "blur", "severity": "slight"}</answer>'
    half = '<answer>{"distortion_class": "noise"}</answer>'
    asks = ("distortion_class", "severity")
    played = episode(whole, half)
    assert last_word(played, asks=asks) is played.turns[0]
    assert last_word(episode(half), asks=asks) is None
