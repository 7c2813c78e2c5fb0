"""Joint reward: what of an episode is paid, the weighted sum, and that nothing is paid for silence."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.answer import parse, plain
from loupe.core.config import load_config
from loupe.core.errors import ConfigError, DataError
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn
from loupe.rewards.batch import Completion, Finding, RewardBatch, batch_of, comparison_of, completion_of
from loupe.rewards.joint import JointReward, RewardTable
from loupe.rewards.settings import RewardOptions, RewardWeights
from loupe.rewards.terms import TERMS

NAN = math.nan
PROTOCOL = Protocol(asks=["rating", "distortion_class", "severity"])
NOISY = Sample("noisy", "n.png", "synth", "train", 2.0, 2.0, degradation=Degradation("noise", 3, WHOLE))
CLEAN = Sample("clean", "c.png", "synth", "train", 4.0, 4.0, degradation=Degradation(None, 0, None))
UNLABELLED = Sample("photo", "p.png", "photos", "train", 3.0, 60.0, scale_max=100.0)


def say(rating: float | None, distortion: str | None = None, severity: str | None = None) -> str:
    body = {"distortion_class": distortion, "severity": severity, "rating": rating}
    return f"<think>hm</think><answer>{json.dumps(body)}</answer>"


def episode(sample: Sample, *texts: str) -> Episode:
    turns = tuple(Turn(WHOLE, text, parse(text), tokens=5, seconds=0.0) for text in texts)
    return Episode(sample.id, turns, StopReason.FINAL)


def reward(
    episodes: list[Episode],
    samples: list[Sample],
    k: int,
    weights: RewardWeights | None = None,
    options: RewardOptions | None = None,
) -> RewardTable:
    batch = batch_of(episodes, samples, num_generations=k, protocol=PROTOCOL)
    return JointReward(weights or RewardWeights(), options or RewardOptions()).score(batch)


RIGHT = [episode(NOISY, say(2.0, "noise", "obvious"))] * 2 + [episode(CLEAN, say(4.0))] * 2
SAMPLES = [NOISY, NOISY, CLEAN, CLEAN]


def test_who_is_right_in_everything_earns_one_for_each_term() -> None:
    table = reward(RIGHT, SAMPLES, 2, options=RewardOptions(rank_epsilon=0.0))
    assert table.total == pytest.approx(np.full(4, 4.0), abs=1e-9)
    ones = dict.fromkeys(("format", "score", "degradation", "rank"), 1.0)
    rest = {"comparison": NAN, "region_iou": NAN, "zoom_gain": 0.0, "crop_cost": 0.0, "total": 4.0}
    assert table.row(0) == pytest.approx(ones | rest, abs=1e-9, nan_ok=True)


def test_hand_worked_rewards_of_four_episodes() -> None:
    episodes = [
        episode(NOISY, say(2.0, "noise", "obvious")),
        episode(NOISY, say(2.5, "noise", "slight")),
        episode(CLEAN, say(4.0)),
        episode(CLEAN, "no idea"),
    ]
    columns = reward(episodes, SAMPLES, 2).columns
    assert columns["format"].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert columns["score"].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert columns["degradation"].tolist() == [1.0, 0.25, 1.0, 0.0]
    assert columns["rank"][3] == 0.0 and (columns["rank"][:3] > 0.9).all()


def test_the_verdict_is_paid_and_not_what_was_said_on_the_way() -> None:
    changed = episode(NOISY, say(4.0, "blur", "slight"), say(2.0, "noise", "obvious"))
    worse = episode(NOISY, say(2.0, "noise", "obvious"), say(4.0, "blur", "slight"))
    columns = reward([changed, worse], [NOISY, NOISY], 2).columns
    assert columns["score"].tolist() == [1.0, 0.0]
    assert columns["degradation"].tolist() == [1.0, 0.0]


def test_the_format_of_every_turn_counts_and_an_unusable_end_falls_back() -> None:
    table = reward([episode(NOISY, say(2.0, "noise", "obvious"), "oops")], [NOISY], 1)
    assert table.columns["format"].tolist() == [0.5]
    assert table.columns["score"].tolist() == [1.0]
    assert table.columns["degradation"].tolist() == [1.0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<answer>{}</answer>",
        '<think>a</think><answer>{"rating": 4.0}</answer>',
        '<think>a</think><answer>{"rating": 4.0, "distortion_class": 7, "severity": null}</answer>',
        say(None),
    ],
    ids=["nothing", "no keys", "class not said", "class is no word", "no rating"],
)
def test_silence_about_the_damage_is_not_the_finding_clean(text: str) -> None:
    assert reward([episode(CLEAN, text)], [CLEAN], 1).columns["degradation"].tolist() == [0.0]


def test_an_episode_without_a_verdict_earns_nothing_but_perhaps_format() -> None:
    table = reward([episode(NOISY, "?"), RIGHT[0], *RIGHT[2:]], SAMPLES, 2)
    row = table.row(0)
    assert [row[name] for name in ("format", "score", "degradation", "rank", "total")] == [0.0] * 5


def test_images_of_different_datasets_are_not_ranked_against_each_other() -> None:
    table = reward([episode(NOISY, say(2.0)), episode(UNLABELLED, say(3.0))], [NOISY, UNLABELLED], 1)
    assert table.columns["rank"].tolist() == [0.0, 0.0]
    assert math.isnan(table.columns["degradation"][1])


def test_a_dataset_whose_raw_scale_runs_downwards_is_ranked_by_quality() -> None:
    good = replace(CLEAN, mos=10.0, scale_max=100.0, higher_is_better=False)
    bad = replace(NOISY, mos=80.0, scale_max=100.0, higher_is_better=False)
    table = reward([episode(good, say(4.0)), episode(bad, say(2.0))], [good, bad], 1)
    assert (table.columns["rank"] > 0.99).all()


def test_the_total_is_the_weighted_sum_and_a_term_of_weight_zero_is_still_logged() -> None:
    weights = RewardWeights(format=0.5, score=2.0, degradation=0.0, rank=3.0)
    table = reward(RIGHT, SAMPLES, 2, weights=weights, options=RewardOptions(rank_epsilon=0.0))
    assert table.total == pytest.approx(np.full(4, 5.5), abs=1e-9)
    assert table.columns["degradation"].tolist() == [1.0] * 4


def test_every_weight_has_its_term_and_every_term_its_weight() -> None:
    assert tuple(TERMS) == tuple(item.name for item in fields(RewardWeights))
    assert reward(RIGHT, SAMPLES, 2).names == tuple(TERMS)


def test_the_names_are_known_before_anything_is_scored_and_those_with_a_weight_are_paid() -> None:
    assert JointReward().names == reward(RIGHT, SAMPLES, 2).names
    assert JointReward().paid == ("format", "score", "degradation", "rank", "comparison")
    assert JointReward(RewardWeights(0, 0.5, 0, 0, 0, 0, 0, 0.1)).paid == ("score", "crop_cost")
    assert JointReward(RewardWeights(0, 0, 0, 0, 0)).paid == ()


def test_a_completion_of_an_episode_holds_what_was_said_and_what_is_known() -> None:
    local = replace(NOISY, degradation=Degradation("noise", 3, (0.0, 0.0, 0.5, 0.5)))
    made = completion_of(episode(local, say(4.0), "?", say(2.0, "noise")), local, asks=("rating", "bbox_2d"))
    assert (made.image, made.dataset, made.target, made.asks) == ("noisy", "synth", 2.0, ("rating", "bbox_2d"))
    assert made.ratings == (4.0, None, 2.0)
    assert made.verdict is not None and made.verdict.rating == 2.0
    assert (made.finding, made.region) == (Finding("noise", "obvious"), (0.0, 0.0, 0.5, 0.5))
    assert completion_of(episode(NOISY, say(4.0)), NOISY, asks=()).region is None
    unknown = completion_of(episode(UNLABELLED, say(4.0)), UNLABELLED, asks=())
    assert (unknown.finding, unknown.region, unknown.choice) == (None, None, None)


def compared(*texts: str, choice: str = "Image B") -> Completion:
    pair = Episode("noisy|clean", episode(NOISY, *texts).turns, StopReason.FINAL)
    return comparison_of(pair, (NOISY, CLEAN), choice=choice, asks=("choice",))


def test_a_completion_of_a_comparison_knows_the_pair_and_the_right_choice_alone() -> None:
    made = compared('<think>hm</think><answer>{"choice": "Image A"}</answer>')
    assert (made.image, made.dataset, made.choice, made.asks) == ("noisy|clean", "synth", "Image B", ("choice",))
    assert made.verdict is not None and made.verdict.choice == "Image A"
    assert (made.target, made.finding, made.region, made.ratings) == (None, None, None, ())


def test_a_comparison_is_paid_for_the_last_choice_that_can_be_used() -> None:
    right, wrong = (f'<think>hm</think><answer>{{"choice": "Image {letter}"}}</answer>' for letter in "BA")
    said = (compared(right), compared(wrong), compared("?"), compared(wrong, right), compared(right, "?"))
    columns = JointReward().score(RewardBatch(said, 1)).columns
    assert columns["comparison"].tolist() == [1.0, 0.0, 0.0, 1.0, 1.0]
    assert all(np.isnan(columns[name]).all() for name in ("score", "rank", "degradation", "zoom_gain"))
    with pytest.raises(DataError, match=r"place 1: got a completion of 'noisy\|clean'"):
        RewardBatch((compared(right), compared(right, choice="Image A")), 2)


def completion(image: str, text: str, **truth: Any) -> Completion:
    answer = parse(text)
    return Completion(image=image, turns=(text,), verdict=answer, ratings=(answer.rating,), **truth)


def test_a_mixed_batch_pays_each_task_for_what_it_was_asked() -> None:
    both = say(2.0, "noise", "obvious")
    choice = '<think>hm</think><answer>{"choice": "Image B"}</answer>'
    knows = {"target": 2.0, "finding": Finding("noise", "obvious")}
    batch = RewardBatch(
        (
            completion("a", both, asks=("rating",), **knows),
            completion("b", both, asks=("distortion_class", "severity"), **knows),
            completion("c", choice, asks=("choice",), choice="Image B"),
        ),
        num_generations=1,
    )
    columns = JointReward().score(batch).columns
    assert columns["format"].tolist() == [1.0, 1.0, 1.0]
    for name, paid in {"score": [1, NAN, NAN], "degradation": [NAN, 1, NAN], "comparison": [NAN, NAN, 1]}.items():
        assert columns[name] == pytest.approx(np.array(paid), nan_ok=True)
    # The only image with an opinion that was asked about has nobody to be ranked against.
    assert columns["rank"] == pytest.approx(np.array([0.0, NAN, NAN]), nan_ok=True)
    assert JointReward().score(batch).total.tolist() == [2.0, 2.0, 2.0]


def test_a_task_without_a_rating_is_paid_for_what_it_asks() -> None:
    protocol = Protocol(asks=["distortion_class", "severity"])
    said = episode(NOISY, '<think>hm</think><answer>{"distortion_class": "noise", "severity": "obvious"}</answer>')
    row = JointReward().score(batch_of([said], [NOISY], num_generations=1, protocol=protocol)).row(0)
    assert (row["degradation"], row["format"], row["total"]) == (1.0, 1.0, 2.0)
    assert math.isnan(row["score"]) and math.isnan(row["rank"])


def test_an_answer_that_nobody_can_use_earns_nothing() -> None:
    box = '{"rating": 2.0, "distortion_class": "noise", "severity": "obvious", "bbox_2d": [2, 2, 3, 3]}'
    row = reward([episode(NOISY, f"<think>hm</think><answer>{box}</answer>")], [NOISY], 1).row(0)
    assert row["total"] == 0.0
    choice = '<think>hm</think><answer>{"choice": "Image A", "rating": 9}</answer>'
    batch = RewardBatch((completion("a", choice, asks=("choice",), choice="Image A"),), 1)
    assert JointReward().score(batch).total.tolist() == [0.0]


def test_a_rating_in_an_answer_that_nobody_can_use_is_no_start_to_improve_on() -> None:
    broken = '<think>hm</think><answer>{"rating": 5.0, "bbox_2d": [2, 2, 3, 3]}</answer>'
    assert reward([episode(NOISY, broken, say(2.0))], [NOISY], 1).row(0)["zoom_gain"] == 0.0


def test_an_unknown_truth_masks_a_term_and_a_missing_answer_earns_nothing() -> None:
    asks = ("rating", "distortion_class", "severity")
    batch = RewardBatch((completion("a", say(2.0), asks=asks), completion("b", "?", asks=asks, target=2.0)), 1)
    assert JointReward().score(batch).columns["score"] == pytest.approx(np.array([NAN, 0.0]), nan_ok=True)


def test_the_terms_about_zooming_weigh_nothing_unless_somebody_says_so() -> None:
    corner = (0.0, 0.0, 0.5, 0.5)
    local = Sample("local", "l.png", "synth", "train", 2.0, 2.0, degradation=Degradation("noise", 3, corner))
    first, last = ('{"rating": 4.0, "tool": "crop"}', '{"rating": 2.0, "bbox_2d": [0, 0, 0.5, 1.0]}')
    looked = episode(local, *(f"<think>hm</think><answer>{text}</answer>" for text in (first, last)))
    protocol = Protocol(asks=["rating", "bbox_2d"])
    batch = batch_of([looked], [local], num_generations=1, protocol=protocol)
    row = JointReward().score(batch).row(0)
    assert (row["region_iou"], row["zoom_gain"], row["crop_cost"]) == (0.5, 0.5, -1.0)
    paying = JointReward(RewardWeights(region_iou=1.0, zoom_gain=1.0, crop_cost=0.25)).score(batch).row(0)
    assert paying["total"] == pytest.approx(row["total"] + 0.75)


def test_in_the_dialect_of_q_insight_a_clean_image_is_the_word_null() -> None:
    text = '<think>\nfine\n</think>\n<answer>\n{"distortion_class": "null", "severity": "null"}\n</answer>'
    made = Completion(
        image="a",
        turns=(text,),
        verdict=plain(parse(text, dialect="q-insight")),
        asks=("distortion_class", "severity"),
        finding=Finding(None, None),
    )
    row = JointReward().score(RewardBatch((made,), 1, "q-insight")).row(0)
    assert (row["format"], row["degradation"]) == (1.0, 1.0)


LINES = st.one_of(
    st.just("garbage"),
    st.builds(
        say,
        st.integers(100, 500).map(lambda cents: cents / 100),
        st.sampled_from([None, "noise", "blur"]),
        st.sampled_from([None, "slight", "obvious"]),
    ),
)


WEIGHT = st.floats(0.0, 10.0)


@given(st.lists(LINES, min_size=6, max_size=6), st.lists(WEIGHT, min_size=len(TERMS), max_size=len(TERMS)))
def test_the_total_is_the_sum_of_the_columns_times_their_weights(lines: list[str], weights: list[float]) -> None:
    samples = [NOISY] * 3 + [UNLABELLED] * 3
    episodes = [episode(sample, line) for sample, line in zip(samples, lines, strict=True)]
    table = reward(episodes, samples, 3, weights=RewardWeights(*weights))
    by_hand = [
        sum(
            weight * column[place]
            for weight, column in zip(weights, table.columns.values(), strict=True)
            if not math.isnan(column[place])
        )
        for place in range(6)
    ]
    assert table.total == pytest.approx(np.array(by_hand), abs=1e-9)


@given(st.lists(LINES, min_size=6, max_size=6), st.permutations(range(3)))
def test_the_order_of_completions_within_a_group_does_not_matter(lines: list[str], order: list[int]) -> None:
    samples = [NOISY] * 3 + [CLEAN] * 3
    episodes = [episode(sample, line) for sample, line in zip(samples, lines, strict=True)]
    shuffled = [episodes[place] for place in order] + episodes[3:]
    before, after = reward(episodes, samples, 3), reward(shuffled, samples, 3)
    assert after.total == pytest.approx(np.concatenate([before.total[:3][order], before.total[3:]]), abs=1e-9)


@given(st.lists(LINES, min_size=6, max_size=6))
def test_every_term_of_the_default_options_lies_between_zero_and_about_one(lines: list[str]) -> None:
    samples = [NOISY] * 3 + [CLEAN] * 3
    table = reward([episode(sample, line) for sample, line in zip(samples, lines, strict=True)], samples, 3)
    for column in table.columns.values():
        assert np.all(np.isnan(column) | ((column >= 0.0) & (column <= 1.0011)))


def test_weights_and_options_load_as_parts_of_a_config() -> None:
    assert load_config(RewardWeights, None, ["rank=0.5"]) == RewardWeights(rank=0.5)
    assert load_config(RewardOptions, None, ["score_kind=linear"]).score_kind == "linear"


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_cannot_be_meant_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="finite weights"):
        RewardWeights(rank=weight)


@pytest.mark.parametrize(
    "wrong",
    [
        {"score_kind": "step"},
        {"score_epsilon": 0.0},
        {"rank_variant": "elo"},
        {"rank_epsilon": -1.0},
        {"rank_min_variance": -1.0},
        {"class_weight": -0.1},
    ],
)
def test_an_option_out_of_range_is_refused(wrong: dict[str, str | float]) -> None:
    with pytest.raises(ConfigError, match="wanted"):
        RewardOptions(**wrong)  # type: ignore[arg-type]


def test_episodes_beside_the_wrong_sample_are_refused() -> None:
    with pytest.raises(DataError, match="place 0: got an episode of 'noisy' beside the sample 'clean'"):
        reward([RIGHT[0]], [CLEAN], 1)


def test_groups_that_mix_images_are_refused() -> None:
    with pytest.raises(DataError, match="place 1"):
        reward([RIGHT[0], RIGHT[2]], [NOISY, CLEAN], 2)


def test_a_batch_that_is_no_whole_number_of_groups_is_refused() -> None:
    with pytest.raises(DataError, match="whole number of groups"):
        reward(RIGHT, SAMPLES, 3)
    with pytest.raises(DataError, match="4 episodes, 3 samples"):
        reward(RIGHT, SAMPLES[:3], 1)
