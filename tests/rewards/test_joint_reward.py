"""Joint reward: what of an episode is paid, the weighted sum, and that nothing is paid for silence."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.answer import parse
from loupe.core.config import load_config
from loupe.core.errors import ConfigError, DataError
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn
from loupe.rewards.joint import TERMS, RewardOptions, RewardTable, RewardWeights, joint_reward

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
    return joint_reward(episodes, samples, num_generations=k, protocol=PROTOCOL, weights=weights, options=options)


RIGHT = [episode(NOISY, say(2.0, "noise", "obvious"))] * 2 + [episode(CLEAN, say(4.0))] * 2
SAMPLES = [NOISY, NOISY, CLEAN, CLEAN]


def test_who_is_right_in_everything_earns_one_for_each_term() -> None:
    table = reward(RIGHT, SAMPLES, 2, options=RewardOptions(rank_epsilon=0.0))
    assert table.total == pytest.approx(np.full(4, 4.0), abs=1e-9)
    assert table.row(0) == pytest.approx({"format": 1, "score": 1, "degradation": 1, "rank": 1, "total": 4}, abs=1e-9)


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
    assert table.row(0) == {"format": 0.0, "score": 0.0, "degradation": 0.0, "rank": 0.0, "total": 0.0}


def test_images_of_different_datasets_are_not_ranked_against_each_other() -> None:
    table = reward([episode(NOISY, say(2.0)), episode(UNLABELLED, say(3.0))], [NOISY, UNLABELLED], 1)
    assert table.columns["rank"].tolist() == [0.0, 0.0]
    assert table.columns["degradation"][1] == 0.0


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


LINES = st.one_of(
    st.just("garbage"),
    st.builds(
        say,
        st.integers(100, 500).map(lambda cents: cents / 100),
        st.sampled_from([None, "noise", "blur"]),
        st.sampled_from([None, "slight", "obvious"]),
    ),
)


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
        assert np.all(column >= 0.0) and np.all(column <= 1.0011)


def test_weights_and_options_load_as_parts_of_a_config() -> None:
    assert load_config(RewardWeights, None, ["rank=0.5"]) == RewardWeights(rank=0.5)
    assert load_config(RewardOptions, None, ["score_shape=linear"]).score_shape == "linear"


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_cannot_be_meant_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="finite weights"):
        RewardWeights(rank=weight)


@pytest.mark.parametrize(
    "wrong",
    [
        {"score_shape": "step"},
        {"score_threshold": 0.0},
        {"rank_epsilon": -1.0},
        {"class_weight": -0.1},
        {"neighbour_credit": 1.5},
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
