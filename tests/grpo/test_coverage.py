"""The tokens with the highest covariance are held back, and only those, by their distance from the old policy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loupe.grpo.coverage import coverage_penalty, select_tokens

LOG_PROBS = torch.tensor([[-1.0, -2.0, -3.0], [-0.5, -1.5, -2.2]])
ADVANTAGES = torch.tensor([1.0, -0.5])
EVERY = torch.ones(2, 3, dtype=torch.bool)


def chosen(
    fraction: float,
    *,
    log_probs: torch.Tensor = LOG_PROBS,
    advantages: torch.Tensor = ADVANTAGES,
    mask: torch.Tensor = EVERY,
) -> list[list[int]]:
    return select_tokens(log_probs, advantages, mask, fraction=fraction).nonzero().tolist()


def test_six_tokens_worked_by_hand() -> None:
    # Means: A 0.25, log p -1.7. Covariances: 0.75 × (0.7, -0.3, -1.3) and -0.75 × (1.2, 0.2, -0.5),
    # that is (0.525, -0.225, -0.975) and (-0.9, -0.15, 0.375).
    assert chosen(1 / 6) == [[0, 0]]
    assert chosen(2 / 6) == [[0, 0], [1, 2]]
    assert chosen(3 / 6) == [[0, 0], [1, 1], [1, 2]]
    assert chosen(4 / 6) == [[0, 0], [0, 1], [1, 1], [1, 2]]


def test_a_masked_token_is_not_chosen_and_does_not_enter_the_means() -> None:
    mask = EVERY.clone()
    mask[0, 0] = False
    # Means of the other five: A 0.1, log p -1.84. The largest is -0.6 × (-2.2 + 1.84) = 0.216, then comes
    # 0.9 × (-2 + 1.84) = -0.144, then -0.6 × (-1.5 + 1.84) = -0.204.
    assert chosen(1 / 5, mask=mask) == [[1, 2]]
    assert chosen(2 / 5, mask=mask) == [[0, 1], [1, 2]]


def test_a_row_without_advantage_is_not_chosen_and_does_not_enter_the_means() -> None:
    log_probs = torch.cat([LOG_PROBS, torch.tensor([[0.0, -9.0, -9.0]])])
    advantages = torch.tensor([1.0, -0.5, 0.0])
    mask = torch.ones(3, 3, dtype=torch.bool)
    for count in range(1, 7):
        assert chosen(count / 6, log_probs=log_probs, advantages=advantages, mask=mask) == chosen(count / 6)


def test_ties_go_to_the_token_that_comes_first() -> None:
    log_probs = torch.tensor([[-1.0, -3.0, -1.0, -3.0]])
    assert chosen(0.25, log_probs=log_probs, advantages=torch.tensor([1.0]), mask=torch.ones(1, 4).bool()) == [[0, 0]]
    # One row alone has no spread of advantages: all covariances are equal, so the order decides.
    assert chosen(0.5, log_probs=log_probs, advantages=torch.tensor([1.0]), mask=torch.ones(1, 4).bool()) == [
        [0, 0],
        [0, 1],
    ]


def test_at_least_one_token_is_chosen_where_one_is_valid() -> None:
    assert len(chosen(1e-9)) == 1


@pytest.mark.parametrize("advantages", [torch.zeros(2), ADVANTAGES])
def test_nothing_is_chosen_where_nothing_is_valid(advantages: torch.Tensor) -> None:
    mask = EVERY if not advantages.any() else ~EVERY
    selected = select_tokens(LOG_PROBS, advantages, mask, fraction=1.0)
    assert selected.shape == LOG_PROBS.shape
    assert not selected.any()


@given(st.integers(0, 2**31), st.floats(0.001, 1))
def test_only_valid_tokens_are_chosen_and_as_many_as_asked(seed: int, fraction: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_probs = -torch.rand(4, 7, generator=generator)
    advantages = torch.randint(-1, 2, (4,), generator=generator).float()
    mask = torch.rand(4, 7, generator=generator) < 0.7
    selected = select_tokens(log_probs, advantages, mask, fraction=fraction)
    valid = mask & (advantages != 0)[:, None]
    assert not (selected & ~valid).any()
    assert int(selected.sum()) == (max(1, int(fraction * int(valid.sum()))) if valid.any() else 0)


def test_the_penalty_is_zero_for_the_policy_that_sampled() -> None:
    log_probs = LOG_PROBS.clone().requires_grad_()
    penalty = coverage_penalty(log_probs, LOG_PROBS, EVERY)
    penalty.backward()
    assert penalty.item() == 0
    assert log_probs.grad is not None
    assert not log_probs.grad.any()


def test_the_penalty_pulls_the_chosen_tokens_back_and_no_others() -> None:
    log_probs = LOG_PROBS.clone().requires_grad_()
    old = LOG_PROBS + torch.tensor([[-0.5, 0.25, 1.0], [1.0, -1.0, 0.25]])
    selected = torch.tensor([[True, True, False], [False, False, True]])
    penalty = coverage_penalty(log_probs, old, selected)
    assert penalty.item() == pytest.approx(1.0)
    penalty.backward()
    # Likelier than before: a step down the gradient makes it less likely, and the other way round.
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == [[1, -1, 0], [0, 0, -1]]


def test_choosing_carries_no_gradient() -> None:
    log_probs = LOG_PROBS.clone().requires_grad_()
    assert not select_tokens(log_probs, ADVANTAGES, EVERY, fraction=0.5).requires_grad
    assert coverage_penalty(log_probs, LOG_PROBS, ~EVERY).item() == 0
