import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loupe.bench.compare_runs import compare_runs
from loupe.bench.compare_table import HEAD, cells, notes, shows
from loupe.bench.correlate import correlations, paired_difference
from loupe.bench.paired_runs import verdict
from loupe.bench.predictions import Prediction, append_predictions
from loupe.core.answer import Answer, answer_of
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn

Make = Callable[[int], list[Sample]]
Rate = Callable[[int, Sample], float | None]


def episode(sample: Sample, answer: Answer | None) -> Episode:
    said = answer if answer is not None else Answer(problem="nothing to read")
    return Episode(sample.id, (Turn(WHOLE, "x", said, 3, 0.1),), StopReason.FINAL)


def judged(samples: Sequence[Sample], rate: Rate, *, look: str = "decided", name: str = "blur") -> list[Prediction]:
    made = []
    for number, sample in enumerate(samples):
        rating = rate(number, sample)
        answer = None if rating is None else answer_of("x", rating=rating, distortion_class=name, severity="slight")
        made.append(Prediction(sample, look, episode(sample, answer)))
    return made


def write(folder: Path, predictions: Sequence[Prediction], **protocol: Any) -> Path:
    folder.mkdir(parents=True)
    append_predictions(folder / "predictions.jsonl", predictions)
    (folder / "summary.json").write_text(json.dumps({"looks": {}, "protocol": protocol}))
    return folder


def write_sets(folder: Path, sets: dict[str, list[Prediction]]) -> Path:
    for name, predictions in sets.items():
        write(folder / name, predictions)
    (folder / "table.json").write_text(json.dumps({"sets": dict.fromkeys(sets), "looks": {}, "protocol": {}}))
    return folder


def truth(number: int, sample: Sample) -> float:
    return sample.rating


def noisy(spread: float, seed: int) -> Rate:
    draws = np.random.default_rng(seed).normal(scale=spread, size=1000)
    return lambda number, sample: float(np.clip(sample.rating + draws[number], 1, 5))


def test_a_run_compared_with_itself_shows_no_difference(tmp_path: Path, samples: Make):
    a = write(tmp_path / "a", judged(samples(30), noisy(0.4, 1)))
    row = compare_runs(a, a, n_boot=100)["sets"][""]["looks"]["decided"]
    assert all(tuple(found) == (0.0, 0.0, 0.0) for found in row["differences"].values())
    assert set(row["better"].values()) == {"neither"}
    assert (row["n"], row["n_rated"], row["n_classes"]) == (30, 30, 30)


def test_the_differences_are_those_of_the_figures_and_turn_with_the_order(tmp_path: Path, samples: Make):
    items = samples(60)
    first, second = judged(items, noisy(0.2, 1)), judged(items, noisy(1.2, 2))
    a, b = write(tmp_path / "a", first), write(tmp_path / "b", second)
    row = compare_runs(a, b, n_boot=200)["sets"][""]["looks"]["decided"]
    mos = [item.rating for item in items]
    ratings = [[p.episode.turns[0].answer.rating for p in side] for side in (first, second)]
    of_a, of_b = (correlations(side, mos, n_boot=0) for side in ratings)  # type: ignore[arg-type]
    assert row["differences"]["srcc"].value == pytest.approx(of_a.srcc.value - of_b.srcc.value)
    assert row["differences"]["plcc"].value == pytest.approx(of_a.plcc.value - of_b.plcc.value)
    errors = [np.abs(np.array(side, dtype=float) - mos).mean() for side in ratings]
    assert row["differences"]["mae"].value == pytest.approx(errors[0] - errors[1])
    # The run with less noise agrees more and errs less: one favours it by a positive difference, one by a negative one.
    assert row["better"] == {"srcc": "a", "plcc": "a", "class_accuracy": "neither", "mae": "a"}
    turned = compare_runs(b, a, n_boot=200)["sets"][""]["looks"]["decided"]
    assert turned["differences"]["srcc"].value == pytest.approx(-row["differences"]["srcc"].value)
    assert set(turned["better"].values()) == {"b", "neither"}


def test_the_interval_is_paired_over_references(tmp_path: Path, samples: Make):
    items = samples(40)
    first, second = judged(items, noisy(0.3, 1)), judged(items, noisy(0.3, 2))
    a, b = write(tmp_path / "a", first), write(tmp_path / "b", second)
    found = compare_runs(a, b, n_boot=300, seed=4)["sets"][""]["looks"]["decided"]["differences"]["srcc"]
    ratings = [[p.episode.turns[0].answer.rating for p in side] for side in (first, second)]
    wanted = paired_difference(
        ratings[0],  # type: ignore[arg-type]
        ratings[1],  # type: ignore[arg-type]
        [item.rating for item in items],
        groups=[item.ref_id or item.id for item in items],
        n_boot=300,
        seed=4,
    )
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("interval", "statistic", "better"),
    [
        ((0.02, -0.001, 0.04), "srcc", "neither"),
        ((0.02, 0.0, 0.04), "srcc", "neither"),
        ((0.02, 0.001, 0.04), "srcc", "a"),
        ((-0.02, -0.04, -0.001), "srcc", "b"),
        ((-0.02, -0.04, -0.001), "mae", "a"),
        ((0.02, 0.001, 0.04), "mae", "b"),
        ((0.02, None, None), "plcc", "unknown"),
        ((0.02, float("nan"), float("nan")), "plcc", "unknown"),
    ],
)
def test_nothing_is_called_better_whose_interval_holds_zero(
    interval: tuple[float, float | None, float | None], statistic: str, better: str
):
    assert verdict(interval, statistic=statistic) == better


def test_images_that_one_run_alone_judged_are_counted_and_named(tmp_path: Path, samples: Make):
    items = samples(20)
    a, b = write(tmp_path / "a", judged(items[:15], truth)), write(tmp_path / "b", judged(items[5:], truth))
    found = compare_runs(a, b, n_boot=20)
    row = found["sets"][""]["looks"]["decided"]
    assert row["n"] == 10
    assert row["not_shared"]["a"] == {"count": 5, "first": ["s000", "s001", "s002", "s003", "s004"]}
    assert row["not_shared"]["b"]["count"] == 5
    assert any("5 images are in a alone, such as s000, s001" in line for line in notes(found))


def test_looks_and_sets_that_are_not_shared_are_named(tmp_path: Path, samples: Make):
    items = samples(12)
    both = judged(items, truth)
    never = judged(items, truth, look="never")
    a = write_sets(tmp_path / "a", {"one": [*both, *never], "two": both, "old": both})
    b = write_sets(tmp_path / "b", {"one": both, "two": both, "new": both})
    found = compare_runs(a, b, n_boot=20)
    assert list(found["sets"]) == ["one", "two"]
    assert found["sets_not_shared"] == {"a": ["old"], "b": ["new"]}
    assert found["sets"]["one"]["looks_not_shared"] == {"a": ["never"], "b": []}
    assert list(found["sets"]["one"]["looks"]) == ["decided"]
    told = list(notes(found))
    assert "data sets in a alone: old" in told
    assert "one, looks in a alone: never" in told


def test_the_means_over_sets_are_those_of_their_differences(tmp_path: Path, samples: Make):
    small, large = samples(20), samples(60)
    a = write_sets(tmp_path / "a", {"x": judged(small, noisy(0.2, 1)), "y": judged(large, noisy(0.2, 2))})
    b = write_sets(tmp_path / "b", {"x": judged(small, noisy(1.0, 3)), "y": judged(large, noisy(1.0, 4))})
    found = compare_runs(a, b, n_boot=200)
    for key in ("srcc", "plcc", "mae"):
        values = [found["sets"][name]["looks"]["decided"]["differences"][key][0] for name in ("x", "y")]
        means = found["means"]["decided"][key]
        assert means["macro"]["difference"][0] == pytest.approx(np.mean(values))
        assert means["weighted"]["difference"][0] == pytest.approx((20 * values[0] + 60 * values[1]) / 80)
    assert found["means"]["decided"]["mae"]["macro"]["better"] == "a"
    assert [row[0] for row in cells(found, "decided")] == ["x", "y", "macro mean", "mean by images"]


def test_a_single_set_has_no_means(tmp_path: Path, samples: Make):
    a = write(tmp_path / "a", judged(samples(10), truth))
    assert compare_runs(a, a, n_boot=0)["means"] == {}


def test_failures_count_at_mid_scale_and_as_wrong(tmp_path: Path, samples: Make):
    items = samples(30)

    def half(number: int, sample: Sample) -> float | None:
        return None if number % 2 else sample.rating

    a, b = write(tmp_path / "a", judged(items, truth)), write(tmp_path / "b", judged(items, half))
    row = compare_runs(a, b, n_boot=100)["sets"][""]["looks"]["decided"]
    assert row["unusable"] == {"a": 0, "b": 15}
    wrong = np.mean([abs(3.0 - item.rating) if number % 2 else 0.0 for number, item in enumerate(items)])
    assert row["differences"]["mae"].value == pytest.approx(-wrong)
    # Blur is right for one class in six, on the even places alone where the second run says anything.
    lost = np.mean(
        [
            n % 2 == 1 and item.degradation is not None and item.degradation.distortion_class == "blur"
            for n, item in enumerate(items)
        ]
    )
    assert row["differences"]["class_accuracy"].value == pytest.approx(lost)


def test_what_one_run_was_not_asked_is_not_compared(tmp_path: Path, samples: Make):
    items = samples(20)
    rated = [Prediction(s, "decided", episode(s, Answer(rating=s.rating, said=("rating",)))) for s in items]
    a, b = write(tmp_path / "a", judged(items, truth)), write(tmp_path / "b", rated)
    found = compare_runs(a, b, n_boot=50)
    row = found["sets"][""]["looks"]["decided"]
    assert row["n_classes"] == 0
    assert row["better"]["class_accuracy"] == "unknown"
    assert row["better"]["srcc"] == "neither"
    assert cells(found, "decided")[0][4] == "–"


def test_the_summary_says_what_was_asked_also_where_no_answer_gave_it(tmp_path: Path, samples: Make):
    items, asks = samples(20), ["rating", "distortion_class"]
    a = write(tmp_path / "a", judged(items, truth), asks=asks)
    b = write(tmp_path / "b", judged(items, lambda n, s: None), asks=asks)
    row = compare_runs(a, b, n_boot=100)["sets"][""]["looks"]["decided"]
    assert row["unusable"] == {"a": 0, "b": 20}
    # All failures at mid-scale: no correlation to set against, but an error, and no class that was right.
    assert row["differences"]["mae"].value == pytest.approx(-np.mean([abs(3.0 - item.rating) for item in items]))
    assert row["better"]["mae"] == "a"
    assert row["n_classes"] == 20


def test_an_answer_is_unusable_by_what_was_asked_and_not_by_its_rating(tmp_path: Path, samples: Make):
    answer = Answer(distortion_class="blur", severity="slight", said=("distortion_class", "severity"))
    rows = [Prediction(item, "decided", episode(item, None if n < 3 else answer)) for n, item in enumerate(samples(12))]
    a = write(tmp_path / "a", rows, asks=["distortion_class", "severity"])
    row = compare_runs(a, a, n_boot=0)["sets"][""]["looks"]["decided"]
    assert (row["unusable"], row["n_rated"]) == ({"a": 3, "b": 3}, 0)


def test_runs_without_ratings_are_compared_by_class(tmp_path: Path, samples: Make):
    def named(word: str | None) -> list[Prediction]:
        said = ("distortion_class", "severity")
        words = [word or (s.degradation.distortion_class if s.degradation else None) for s in samples(24)]
        answers = [Answer(distortion_class=name, said=said) for name in words]
        return [Prediction(s, "decided", episode(s, answer)) for s, answer in zip(samples(24), answers, strict=True)]

    a, b = write(tmp_path / "a", named(None)), write(tmp_path / "b", named("blur"))
    row = compare_runs(a, b, n_boot=100)["sets"][""]["looks"]["decided"]
    assert row["n_rated"] == 0
    assert row["differences"]["class_accuracy"].value == pytest.approx(5 / 6)
    assert row["better"]["class_accuracy"] == "a"
    assert row["better"]["mae"] == "unknown"


def test_images_that_nobody_rated_leave_the_rating_figures_alone(tmp_path: Path, samples: Make):
    items = [
        replace(item, rating=float("nan"), mos=float("nan")) if n < 4 else item for n, item in enumerate(samples(20))
    ]
    a = write(tmp_path / "a", judged(items, lambda n, s: 2.0 + n / 10))
    row = compare_runs(a, a, n_boot=50)["sets"][""]["looks"]["decided"]
    assert (row["n"], row["n_rated"]) == (20, 16)
    assert row["better"]["srcc"] == "neither"


def test_later_attempts_at_an_image_are_not_taken_for_images(tmp_path: Path, samples: Make):
    items = samples(10)
    first = judged(items, truth)
    later = [replace(item, attempt=1) for item in judged(items, lambda n, s: 1.0)]
    a, b = write(tmp_path / "a", [*first, *later]), write(tmp_path / "b", first)
    row = compare_runs(a, b, n_boot=0)["sets"][""]["looks"]["decided"]
    assert row["n"] == 10
    assert row["differences"]["mae"].value == 0.0


def test_the_same_image_with_another_label_is_no_pair(tmp_path: Path, samples: Make):
    items = samples(10)
    other = [replace(items[0], rating=1.5), *items[1:]]
    a, b = write(tmp_path / "a", judged(items, truth)), write(tmp_path / "b", judged(other, truth))
    with pytest.raises(DataError, match="1 images have another label in the second run, such as 's000'"):
        compare_runs(a, b)
    worse = [replace(items[0], degradation=Degradation("noise", 5, WHOLE)), *items[1:]]
    c = write(tmp_path / "c", judged(worse, truth))
    with pytest.raises(DataError, match="another label"):
        compare_runs(a, c)


def test_settings_that_differ_are_told_and_places_are_not(tmp_path: Path, samples: Make):
    items = judged(samples(6), truth)
    a = write(tmp_path / "a", items, model="m1", fingerprint="f", data="here", seed=1)
    b = write(tmp_path / "b", items, model="m2", fingerprint="f", data="there", seed=2)
    found = compare_runs(a, b, n_boot=0)
    assert found["protocol_differs"] == {"model": ["m1", "m2"]}
    assert "model differs: m1 in a, m2 in b" in list(notes(found))


def test_what_cannot_be_compared_is_refused_in_words(tmp_path: Path, samples: Make):
    items = samples(8)
    single = write(tmp_path / "single", judged(items, truth))
    sets = write_sets(tmp_path / "sets", {"x": judged(items, truth)})
    other = write_sets(tmp_path / "other", {"y": judged(items, truth)})
    strange = write(tmp_path / "strange", judged(items, truth, look="never"))
    with pytest.raises(MissingFileError, match=r"holds no predictions.jsonl and no table.json"):
        compare_runs(tmp_path / "nowhere", single)
    with pytest.raises(ConfigError, match=r"sets holds several data sets and the other run one"):
        compare_runs(single, sets)
    with pytest.raises(ConfigError, match="wanted a data set in common"):
        compare_runs(sets, other)
    with pytest.raises(ConfigError, match="no image under the same look"):
        compare_runs(single, strange)


def test_the_name_of_a_set_cannot_lead_out_of_the_folder(tmp_path: Path, samples: Make):
    write(tmp_path / "secret", judged(samples(6), truth))
    a = write_sets(tmp_path / "a", {"x": judged(samples(6), truth)})
    (a / "table.json").write_text(json.dumps({"sets": {"../secret": None}, "protocol": {}}))
    with pytest.raises(DataError, match="leads out of"):
        compare_runs(a, a)


def test_the_table_says_in_words_what_the_intervals_show():
    assert len(HEAD) == 6
    assert shows({"srcc": "a", "plcc": "neither", "mae": "b"}) == "a better: SRCC; b better: error"
    assert shows({"srcc": "neither", "mae": "unknown"}) == "no difference shown"
    assert shows({"srcc": "unknown"}) == "no interval is known"
