import math
from dataclasses import replace

import pytest

from loupe.bench.predictions import Prediction
from loupe.bench.scores import score
from loupe.bench.summary import paired_gain, summarise
from loupe.core.answer import answer_of, parse, render
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn

DIAGNOSIS = ("distortion_class", "severity")
LEFT, RIGHT, TOP_LEFT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5)
BLUR = Degradation("blur", 3, LEFT)


def sample(name: str, rating: float = 3.0, damage: Degradation | None = BLUR, hard: bool | None = None) -> Sample:
    return Sample(name, f"{name}.png", "d", "test", rating, rating, degradation=damage, hard=hard)


def turn(view: tuple[float, float, float, float] = WHOLE, expected: float | None = None, **fields: object) -> Turn:
    answer = answer_of(**fields)
    return Turn(view, render(answer), answer, tokens=1, seconds=0.0, expected_rating=expected)


def played(item: Sample, *turns: Turn, stop: StopReason = StopReason.FINAL, look: str = "decided") -> Prediction:
    return Prediction(item, look, Episode(item.id, turns, stop))


def failed(item: Sample) -> Prediction:
    broken = Turn(WHOLE, "hm", parse("hm"), tokens=1, seconds=0.0)
    return played(item, broken, stop=StopReason.UNUSABLE)


def test_failures_count_at_mid_scale_and_are_left_out_beside_it():
    truths, said = [1.0, 2.0, 4.0, 5.0], [1.0, 2.0, 4.0, 5.0]
    items = [played(sample(f"s{n}", truth), turn(rating=value)) for n, (truth, value) in enumerate(zip(truths, said))]
    found = score([*items, failed(sample("bad", 1.0))])
    assert (found.n, found.unusable, found.unusable_share) == (5, 1, 0.2)
    assert found.expected.usable.n == 4
    assert found.expected.usable.rmse.value == pytest.approx(0.0)
    # One error of 2 among five items.
    assert found.expected.all.rmse.value == pytest.approx(math.sqrt(4 / 5))


def test_expected_and_written_ratings_are_scored_apart():
    items = [played(sample(f"s{n}", n), turn(rating=n, expected=6 - n)) for n in (1.0, 2.0, 3.0, 4.0, 5.0)]
    found = score(items)
    assert found.written.all.srcc.value == pytest.approx(1.0)
    assert found.expected.all.srcc.value == pytest.approx(-1.0)


def test_a_severity_is_right_only_with_its_class():
    found = score(
        [
            played(sample("a"), turn(rating=3, distortion_class="blur", severity="obvious")),
            played(sample("b"), turn(rating=3, distortion_class="blur", severity="slight")),
            played(sample("c"), turn(rating=3, distortion_class="noise", severity="obvious")),
            played(
                sample("d", damage=Degradation(None, 0, None)), turn(rating=5, distortion_class=None, severity=None)
            ),
            failed(sample("e")),
            played(sample("f", damage=None), turn(rating=3, distortion_class="blur")),
        ]
    ).recognition
    assert found.n == 5
    assert found.class_accuracy.value == pytest.approx(3 / 5)
    assert found.severity_accuracy.value == pytest.approx(2 / 5)
    # Recall of blur is 2 of 4, of clean 1 of 1.
    assert found.class_accuracy_macro == pytest.approx(0.75)
    assert found.confusion["blur"] == {
        **dict.fromkeys(found.confusion["blur"], 0),
        "blur": 2,
        "noise": 1,
        "unusable": 1,
    }


def test_zoom_figures_are_those_worked_by_hand():
    ask = turn(rating=3.0, bbox_2d=LEFT, tool="crop")
    found = score(
        [
            played(sample("a"), ask, turn(LEFT, rating=2.0, bbox_2d=LEFT)),
            played(sample("b"), ask, turn(RIGHT, rating=3.5, bbox_2d=TOP_LEFT)),
            played(sample("c"), ask, turn(TOP_LEFT, rating=3.0)),
            played(sample("d"), turn(rating=3.0)),
        ]
    ).zooming
    assert found.rate.value == pytest.approx(3 / 4)
    assert found.n_rated_twice == 3
    assert (found.changed, found.raised, found.lowered) == pytest.approx((2 / 3, 1 / 3, 1 / 3))
    assert found.n_crop_iou == 3
    assert found.crop_iou.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.verdict_iou.value == pytest.approx((1 + 0.5 + 0 + 0) / 4)


def test_no_predictions_give_figures_that_are_not_defined():
    found = score([])
    assert found.n == 0
    assert math.isnan(found.unusable_share)
    assert math.isnan(found.zooming.rate.value)


def test_gains_pair_the_same_images_on_all_and_on_hard_ones():
    truths = [1.0, 2.0, 3.0, 4.0, 5.0, 1.5, 2.5, 3.5]
    items = [sample(f"s{n}", truth, hard=n % 2 == 0) for n, truth in enumerate(truths)]
    ours = [played(item, turn(rating=item.rating, distortion_class="blur")) for item in items]
    theirs = [
        replace(played(item, turn(rating=6 - item.rating, distortion_class="noise")), look="never") for item in items
    ]
    found = summarise([*ours, *theirs[:-1]], protocol={"name": "test"})
    assert set(found.looks) == {"decided", "never"}
    gain = found.gains["never"]
    assert gain["all"].n == 7
    assert gain["all"].srcc.value == pytest.approx(2.0)
    assert gain["all"].class_accuracy == pytest.approx((1.0, 1.0, 1.0))
    assert gain["hard"].n == 4
    assert found.looks["decided"].hard is not None
    assert found.looks["decided"].hard.n == 4
    assert found.looks["never"].easy is not None
    assert found.looks["never"].easy.n == 3


def test_what_was_not_asked_is_not_scored():
    diagnosed = score([played(sample("a"), turn(distortion_class="blur", severity="obvious"))], asks=DIAGNOSIS)
    assert diagnosed.expected is None and diagnosed.written is None
    assert diagnosed.unusable == 0
    assert diagnosed.recognition.severity_accuracy.value == 1.0
    assert math.isnan(diagnosed.zooming.verdict_iou.value)
    rated = score([played(sample("a"), turn(rating=3.0))], asks=("rating",))
    assert rated.recognition.n == 0
    assert math.isnan(rated.recognition.class_accuracy.value)


def test_an_answer_without_what_was_asked_is_unusable():
    found = score([played(sample("a"), turn(distortion_class="blur")), failed(sample("b"))], asks=DIAGNOSIS)
    assert found.unusable == 2
    assert found.recognition.confusion["blur"]["unusable"] == 2


def test_images_that_nobody_rated_are_left_out_of_agreement_and_of_nothing_else():
    rated = [played(sample(f"s{n}", n), turn(rating=n, distortion_class="blur")) for n in (1.0, 2.0, 3.0, 4.0)]
    unrated = played(sample("x", math.nan), turn(rating=1.0, distortion_class="blur"))
    found = score([*rated, unrated])
    assert found.n == 5
    assert found.expected is not None
    assert found.expected.all.n == 4
    assert found.expected.all.srcc.value == pytest.approx(1.0)
    assert found.recognition.n == 5
    assert score([unrated]).expected is None


def test_gains_are_over_the_rated_images_and_over_what_was_asked():
    items = [sample(f"s{n}", n) for n in (1.0, 2.0, 3.0, 4.0)] + [sample("x", math.nan)]
    ours = [played(item, turn(rating=2.0 + index / 4, distortion_class="blur")) for index, item in enumerate(items)]
    theirs = [played(item, turn(rating=4.0 - index / 4, distortion_class="noise")) for index, item in enumerate(items)]
    gain = paired_gain(ours, theirs)
    assert gain.srcc.value == pytest.approx(2.0)
    assert gain.class_accuracy.value == 1.0
    silent = paired_gain(ours, theirs, asks=("rating",))
    assert math.isnan(silent.class_accuracy.value)
    assert math.isnan(paired_gain(ours, theirs, asks=DIAGNOSIS).srcc.value)


def test_a_class_beyond_the_six_is_counted_in_a_row_of_its_own():
    haze = sample("a", damage=Degradation("haze", 3, LEFT))
    found = score([played(haze, turn(rating=3, distortion_class="haze", severity="obvious"))]).recognition
    assert found.confusion["haze"]["haze"] == 1
    assert found.class_accuracy.value == found.class_accuracy_macro == 1.0


def test_the_table_of_degradation_is_part_of_the_summary_where_a_class_was_asked_for():
    items = [played(sample("a"), turn(rating=3, distortion_class="blur", severity="obvious"))]
    asked = summarise(items, protocol={}).looks["decided"].degradation
    assert asked is not None
    assert asked.classes["blur"].severity_accuracy.value == 1.0
    assert summarise(items, asks=("rating",), protocol={}).looks["decided"].degradation is None
