"""Every task is paid by its own questions and in its own dialect, and all stand in one table as they were played."""

import json
import math

import numpy as np
import pytest

from loupe.core.answer import parse, plain
from loupe.core.errors import ConfigError
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn
from loupe.grpo.scoring import check_paid, figures, reward_rows, score
from loupe.grpo.tasks import Row
from loupe.rewards.joint import JointReward
from loupe.rewards.settings import RewardWeights

RATE = Protocol(name="rate", asks=["rating"])
NAME = Protocol(name="name", asks=["distortion_class", "severity"])
OURS = Protocol(name="choose", asks=["choice"])
THEIRS = Protocol(name="q", asks=["distortion_class", "severity"], dialect="q-insight")
SAMPLES = [
    Sample(name, f"{name}.png", "synth", "train", rating, rating, degradation=Degradation("noise", 3, WHOLE))
    for name, rating in (("a", 2.0), ("b", 4.0))
]
UNLABELLED = Sample("c", "c.png", "photos", "train", 3.0, 60.0)
RATED = [Row("rate", RATE, (sample,)) for sample in SAMPLES]
NAMED = [Row("name", NAME, (sample,)) for sample in (*SAMPLES, UNLABELLED)]
PAIR = Row("choose", OURS, (SAMPLES[0], SAMPLES[1]), "Image B")


def say(**body: object) -> str:
    return f"<think>hm</think><answer>{json.dumps(body)}</answer>"


def episode(row: Row, *texts: str) -> Episode:
    answers = [plain(parse(text, dialect=row.protocol.dialect)) for text in texts]
    turns = tuple(Turn(WHOLE, text, answer, tokens=5, seconds=0) for text, answer in zip(texts, answers, strict=True))
    return Episode(row.id, turns, StopReason.FINAL)


def test_tasks_that_alternate_are_paid_as_if_each_were_alone() -> None:
    rows = [RATED[0], NAMED[0], RATED[1], NAMED[1]]
    texts = [
        say(rating=2.0),
        say(distortion_class="noise", severity="obvious"),
        say(rating=1.0),
        say(distortion_class="blur", severity="obvious"),
    ]
    played = [episode(row, text) for row, text in zip(rows, texts, strict=True)]
    table = score(played, rows, JointReward(), num_generations=1)
    assert table.columns["score"] == pytest.approx(np.array([1, math.nan, 0, math.nan]), nan_ok=True)
    assert table.columns["degradation"] == pytest.approx(np.array([math.nan, 1, math.nan, 0]), nan_ok=True)
    for places in ([0, 2], [1, 3]):
        mine = [[items[place] for place in places] for items in (played, rows)]
        alone = score(*mine, JointReward(), num_generations=1)  # type: ignore[arg-type]
        assert table.total[places].tolist() == alone.total.tolist()
        assert np.array_equal(table.columns["rank"][places], alone.columns["rank"], equal_nan=True)


def test_a_choice_between_two_images_is_paid_where_it_is_right() -> None:
    played = [episode(PAIR, say(choice=choice)) for choice in ("Image B", "Image A")]
    table = score(played, [PAIR, PAIR], JointReward(), num_generations=2)
    assert table.columns["comparison"].tolist() == [1.0, 0.0]
    assert table.total.tolist() == [2.0, 1.0]
    assert np.isnan(table.columns["score"]).all()


def test_each_task_is_read_in_its_own_dialect() -> None:
    row = Row("q", THEIRS, (SAMPLES[0],))
    text = '<think>\nhm\n</think>\n<answer>\n{"distortion_class": "noise", "severity": "obvious"}\n</answer>'
    table = score([episode(row, text)], [row], JointReward(), num_generations=1)
    assert (table.columns["format"][0], table.columns["degradation"][0]) == (1.0, 1.0)


def test_what_no_weighted_term_applies_to_has_no_total() -> None:
    weights = JointReward(RewardWeights(format=0, score=0, degradation=1, rank=0, comparison=0))
    rows = [NAMED[2], NAMED[0]]
    played = [episode(row, say(distortion_class="noise", severity="obvious")) for row in rows]
    assert score(played, rows, weights, num_generations=1).total == pytest.approx(
        np.array([math.nan, 1.0]), nan_ok=True
    )


def test_a_task_that_nothing_pays_is_refused_by_name() -> None:
    ranked = JointReward(RewardWeights(format=0, score=0, degradation=0, rank=1, comparison=0))
    check_paid(RATED, ranked)
    with pytest.raises(ConfigError, match=r"the task 'name' asks for distortion_class, severity, .*\(rank\)"):
        check_paid([*RATED, *NAMED], ranked)
    with pytest.raises(ConfigError, match="the task 'none' asks for nothing"):
        check_paid([Row("none", Protocol(asks=[]), (SAMPLES[0],))], ranked)
    check_paid([*RATED, *NAMED, PAIR], JointReward())


def test_a_task_whose_images_nobody_labelled_is_refused() -> None:
    named = JointReward(RewardWeights(format=0, score=0, degradation=1, rank=0, comparison=0))
    check_paid(NAMED, named)
    with pytest.raises(ConfigError, match="the task 'name'"):
        check_paid(NAMED[2:], named)


def test_figures_are_of_all_and_of_each_task_where_there_are_several() -> None:
    rows = [RATED[0], RATED[0], NAMED[0], NAMED[0]]
    texts = [[say(rating=2.0)], [say(rating=3.0), say(rating=3.0)], [say(distortion_class="noise", severity="obvious")]]
    played = [episode(row, *text) for row, text in zip(rows, [*texts, ["?"]], strict=True)]
    table = score(played, rows, JointReward(RewardWeights(rank=0)), num_generations=2)
    made = figures(played, rows, table, num_generations=2)
    # Format and score: 2 and 1; format and degradation: 2 and 0.
    assert table.total.tolist() == [2.0, 1.0, 2.0, 0.0]
    assert (made["reward"], made["tasks/rate/reward"], made["tasks/name/reward"]) == (1.25, 1.5, 1.0)
    assert made["reward_std"] == pytest.approx(np.std([2, 1, 2, 0], ddof=1))
    assert made["tasks/name/reward_std"] == pytest.approx(np.sqrt(2))
    assert (made["zoom_rate"], made["tasks/rate/zoom_rate"], made["tasks/name/zoom_rate"]) == (0.25, 0.5, 0.0)
    assert (made["unusable"], made["tasks/name/unusable"]) == (0.25, 0.5)
    assert (made["completions/mean_length"], made["tasks/rate/completions/mean_length"]) == (6.25, 7.5)
    assert (made["rewards/score/mean"], made["rewards/degradation/mean"]) == (0.5, 0.5)
    # Ratings 2 and 3 of the one image that was rated twice.
    assert made["rating_spread"] == pytest.approx(np.sqrt(0.5))


def test_a_single_task_has_no_figures_of_its_own() -> None:
    played = [episode(row, say(rating=2.0)) for row in RATED]
    table = score(played, RATED, JointReward(), num_generations=1)
    assert not any(name.startswith("tasks/") for name in figures(played, RATED, table, num_generations=1))


def test_the_log_has_for_each_rollout_what_it_said_and_what_each_term_paid() -> None:
    played = [episode(PAIR, say(choice="Image B"))]
    (row,) = reward_rows(played, [PAIR], score(played, [PAIR], JointReward(), num_generations=1))
    assert (row["image"], row["task"], row["texts"]) == ("a|b", "choose", [say(choice="Image B")])
    assert (row["comparison"], row["format"], row["total"]) == (1.0, 1.0, 2.0)
