"""Three measures of the distance of two policies: what each is worth, and where its gradient pulls."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.errors import ConfigError
from loupe.grpo.kl import ESTIMATORS, kl

LOGITS = torch.tensor([0.3, -1.2, 2.0, 0.1], dtype=torch.float64)
OTHER = torch.tensor([1.0, 0.2, 0.4, -0.7], dtype=torch.float64).log_softmax(0)
"""A policy and another one over four tokens: few enough to take expectations by going through all of them."""


def expected(estimator: str) -> float:
    log_probs = LOGITS.log_softmax(0)
    return (log_probs.exp() * kl(log_probs, OTHER, estimator=estimator)).sum().item()


def gradient(value: Callable[[torch.Tensor], torch.Tensor]) -> list[float]:
    logits = LOGITS.clone().requires_grad_()
    (result,) = torch.autograd.grad(value(logits.log_softmax(0)), logits)
    return result.tolist()


def sampled_gradient(estimator: str) -> list[float]:
    """Gradient with respect to the logits, in expectation over the tokens that the policy draws."""
    drawn = LOGITS.softmax(0)
    return gradient(lambda log_probs: (drawn * kl(log_probs, OTHER, estimator=estimator)).sum())


def exact() -> float:
    log_probs = LOGITS.log_softmax(0)
    return (log_probs.exp() * (log_probs - OTHER)).sum().item()


@pytest.mark.parametrize(
    ("estimator", "likelier", "less_likely"),
    [
        ("abs", math.log(2), math.log(2)),
        ("k1", math.log(2), -math.log(2)),
        ("k3", 0.5 + math.log(2) - 1, 2 - math.log(2) - 1),
    ],
)
def test_twice_and_half_as_likely_worked_by_hand(estimator: str, likelier: float, less_likely: float) -> None:
    log_probs = torch.tensor([0.5, 0.25], dtype=torch.float64).log()
    values = kl(log_probs, log_probs.flip(0), estimator=estimator).tolist()
    assert values == pytest.approx([likelier, less_likely], abs=1e-12)


def test_k1_and_k3_are_the_divergence_in_expectation_and_abs_is_more() -> None:
    assert expected("k1") == pytest.approx(exact(), abs=1e-12)
    assert expected("k3") == pytest.approx(exact(), abs=1e-12)
    assert expected("abs") > exact() + 0.1


def test_k1_pulls_nowhere_in_expectation() -> None:
    assert sampled_gradient("k1") == pytest.approx([0.0] * 4, abs=1e-12)


def test_k3_pulls_as_the_divergence_the_other_way_round() -> None:
    turned = gradient(lambda log_probs: (OTHER.exp() * (OTHER - log_probs)).sum())
    assert sampled_gradient("k3") == pytest.approx(turned, abs=1e-12)
    assert max(map(abs, turned)) > 0.1


def test_k3_times_the_ratio_pulls_as_the_divergence_itself() -> None:
    drawn = LOGITS.softmax(0)

    def corrected(log_probs: torch.Tensor) -> torch.Tensor:
        ratio = (log_probs - log_probs.detach()).exp()
        return (drawn * ratio * kl(log_probs, OTHER, estimator="k3")).sum()

    straight = gradient(lambda log_probs: (log_probs.exp() * (log_probs - OTHER)).sum())
    assert gradient(corrected) == pytest.approx(straight, abs=1e-12)


@pytest.mark.parametrize(
    ("estimator", "slopes"),
    [("abs", [1.0, 0.0, -1.0]), ("k1", [1.0, 1.0, 1.0]), ("k3", [0.5, 0.0, -1.0])],
)
def test_slopes_where_the_policy_is_above_at_and_below_the_other(estimator: str, slopes: list[float]) -> None:
    other = torch.full((3,), -2.0, dtype=torch.float64)
    log_probs = (other + torch.tensor([math.log(2), 0.0, -math.log(2)], dtype=torch.float64)).requires_grad_()
    (result,) = torch.autograd.grad(kl(log_probs, other, estimator=estimator).sum(), log_probs)
    assert result.tolist() == pytest.approx(slopes, abs=1e-12)


@pytest.mark.parametrize("estimator", list(ESTIMATORS))
def test_a_policy_is_no_distance_from_itself(estimator: str) -> None:
    log_probs = LOGITS.log_softmax(0).float()
    assert kl(log_probs, log_probs, estimator=estimator).tolist() == [0.0] * 4


@settings(max_examples=30)
@given(st.floats(-20, 0), st.floats(-20, 0))
def test_abs_and_k3_are_never_negative(one: float, two: float) -> None:
    first, second = torch.tensor([one]), torch.tensor([two])
    assert kl(first, second, estimator="abs").item() >= 0
    assert kl(first, second, estimator="k3").item() >= 0


def test_k3_keeps_its_digits_where_the_policies_are_close() -> None:
    # Half the square of the distance, 5e-7; near 1 the numbers of single precision are 6e-8 apart.
    distance = 1e-3
    value = kl(torch.tensor([distance]), torch.zeros(1), estimator="k3").item()
    assert value == pytest.approx(distance**2 / 2, rel=2e-3)


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="'k2'; wanted one of abs, k1, k3"):
        kl(LOGITS, OTHER, estimator="k2")
