"""Degradation reward: the table of the paper, clean images, silence, and credit for a neighbouring level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.records import DISTORTION_CLASSES, SEVERITIES
from loupe.rewards.degradation import Finding, degradation_reward

NOISE = Finding("noise", "obvious")
CLEAN = Finding(None, None)
FINDINGS = st.builds(Finding, st.sampled_from((None, *DISTORTION_CLASSES)), st.sampled_from((None, *SEVERITIES)))


@pytest.mark.parametrize(
    ("said", "earned"),
    [
        (Finding("noise", "obvious"), 1.0),
        (Finding("noise", "slight"), 0.25),
        (Finding("noise", None), 0.25),
        (Finding("blur", "obvious"), 0.0),
        (Finding("Noise", "obvious"), 0.0),
        (CLEAN, 0.0),
        (None, 0.0),
    ],
)
def test_obvious_noise_pays_class_first_and_level_only_with_it(said: Finding | None, earned: float) -> None:
    assert degradation_reward([said], [NOISE]).tolist() == [earned]


@pytest.mark.parametrize(("said", "earned"), [(CLEAN, 1.0), (Finding(None, "slight"), 0.25), (NOISE, 0.0), (None, 0.0)])
def test_clean_is_a_class_and_silence_is_not_clean(said: Finding | None, earned: float) -> None:
    assert degradation_reward([said], [CLEAN]).tolist() == [earned]


def test_an_image_that_nobody_labelled_pays_nobody() -> None:
    assert degradation_reward([NOISE, CLEAN, None], [None] * 3).tolist() == [0.0, 0.0, 0.0]


def test_the_level_next_door_earns_its_share_of_the_severity_weight_where_that_is_switched_on() -> None:
    said = [Finding("noise", level) for level in ("moderate", "serious", "slight", "huge", None)]
    rewards = degradation_reward(said, [NOISE] * 5, neighbour_credit=0.5)
    assert rewards.tolist() == [0.625, 0.625, 0.25, 0.25, 0.25]


def test_the_weights_are_those_that_were_given() -> None:
    rewards = degradation_reward([NOISE, Finding("noise", None)], [NOISE] * 2, class_weight=2.0, severity_weight=3.0)
    assert rewards.tolist() == [5.0, 2.0]


@given(FINDINGS)
def test_the_truth_always_earns_everything(truth: Finding) -> None:
    assert degradation_reward([truth], [truth]).tolist() == [1.0]


@given(FINDINGS, FINDINGS)
def test_without_credit_only_three_rewards_exist(said: Finding, truth: Finding) -> None:
    assert degradation_reward([said], [truth])[0] in (0.0, 0.25, 1.0)


def test_unequal_lengths_are_refused_and_nothing_is_nothing() -> None:
    with pytest.raises(ValueError, match="shorter"):
        degradation_reward([NOISE, NOISE], [NOISE])
    assert degradation_reward([], []).shape == (0,)
