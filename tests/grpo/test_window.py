"""Coverage over a whole update: how the update is cut changes neither what is chosen nor what is learnt."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from loupe.core.model.encode import Encoded
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.loss import LossConfig
from loupe.grpo.micro_batch import MicroBatch
from loupe.grpo.rollout import Prompt, Rollout
from loupe.grpo.window import select

Scripted = Callable[..., Any]
WHOLE = {"per_device_train_batch_size": 16}
PARTS = {"per_device_train_batch_size": 4, "steps_per_generation": 4, "gradient_accumulation_steps": 4}
SETTINGS = {"num_iterations": 2, "max_steps": 2, "optim": "sgd", "learning_rate": 3e-2, "max_grad_norm": 0.0}
"""Plain descent: where Adam divides a gradient that is nearly zero by its own size, rounding would decide."""
COVERAGE = CoverageConfig(coefficient=2.0, fraction=0.05)


def chosen(trainer: Any) -> dict[int, dict[int, list[int]]]:
    """Columns that were chosen, by update and number of the rollout."""
    made: dict[int, dict[int, list[int]]] = {}
    for update, places in trainer.chosen:
        made.setdefault(update, {}).update(places)
    return made


def assert_same_gradients(made: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], *, tolerance: float) -> None:
    """Each gradient is the same but for a share `tolerance` of all of them."""
    assert made.keys() == wanted.keys()
    whole = torch.stack([grad.norm() for grad in wanted.values()]).norm()
    for name, grad in wanted.items():
        assert (made[name] - grad).norm() <= tolerance * whole, name


@pytest.mark.parametrize("coverage", [COVERAGE, replace(COVERAGE, target="reference")], ids=["old", "reference"])
def test_an_update_in_four_parts_is_the_update_as_a_whole(scripted: Scripted, coverage: CoverageConfig) -> None:
    whole, parts = (
        scripted(name, coverage=coverage, trainer=SETTINGS | cut) for name, cut in (("whole", WHOLE), ("parts", PARTS))
    )
    assert set(chosen(whole)) == {0, 1} and len(chosen(whole)[1]) == 16
    assert sum(map(len, chosen(whole)[1].values())) == int(0.05 * whole.batches[0].mask.sum())
    assert chosen(parts) == chosen(whole)
    # What was chosen had moved away when it was held back.
    assert whole.state.log_history[1]["coverage/kl_selected"] > 1e-3
    for mine, its in zip(parts.gradients, whole.gradients, strict=True):
        assert_same_gradients(mine, its, tolerance=1e-5)


def test_the_penalty_is_felt_in_the_second_update_alone(scripted: Scripted) -> None:
    bare, held = (
        scripted(name, coverage=coverage, trainer=SETTINGS | WHOLE)
        for name, coverage in (("bare", CoverageConfig()), ("held", COVERAGE))
    )
    assert_same_gradients(held.gradients[0], bare.gradients[0], tolerance=1e-5)
    with pytest.raises(AssertionError):
        assert_same_gradients(held.gradients[1], bare.gradients[1], tolerance=1e-2)


def test_shares_of_micro_batches_by_themselves_choose_otherwise(scripted: Scripted) -> None:
    alone = replace(COVERAGE, scope="microbatch")
    whole, parts = (
        scripted(name, coverage=alone, trainer=SETTINGS | cut | {"max_steps": 1})
        for name, cut in (("whole", WHOLE), ("parts", PARTS))
    )
    assert chosen(parts) != chosen(whole)


def test_a_draw_is_the_same_however_an_update_is_cut(scripted: Scripted) -> None:
    drawn = CoverageConfig(coefficient=1.0, fraction=0.05, rule="clip", band=[0.01, 100.0])
    whole, parts = (
        scripted(name, coverage=drawn, trainer=SETTINGS | cut) for name, cut in (("whole", WHOLE), ("parts", PARTS))
    )
    assert any(chosen(whole)[0].values()) and chosen(whole)[0] != chosen(whole)[1]
    assert chosen(parts) == chosen(whole)


def a_batch(numbers: list[int], log_probs: list[list[float]], *, alive: list[bool] | None = None) -> MicroBatch:
    prompt = Prompt(Encoded([1], [False], None, None))
    items = [Rollout(number, prompt, Encoded([1, 2], [True, True], None, None), None) for number in numbers]
    old = torch.tensor(log_probs)
    advantages = torch.tensor([float(number % 2 * 2 - 1) for number in numbers])
    living = torch.tensor(alive or [True] * len(items))
    return MicroBatch(items, advantages, living, torch.ones(old.shape, dtype=torch.bool), old)


HALF = LossConfig(coverage=CoverageConfig(coefficient=1.0, fraction=0.25))


def test_the_share_is_of_all_batches_and_statistics_are_their_common_ones() -> None:
    first = a_batch([0, 1], [[-1.0, -2.0], [-0.1, -0.2]])
    second = a_batch([2, 3], [[-3.0, -9.0], [-0.3, -0.4]])
    made = select([first, second], [first.old_log_probs, second.old_log_probs], HALF, seed=(0,))
    # Eight tokens, mean log-probability -2. Covariances, advantages being -1, 1, -1, 1:
    # -1, 0 | 1.9, 1.8 | 1, 7 | 1.7, 1.6: the two largest are the unlikely one of rollout 2 and the first of rollout 1.
    assert [batch.selected.int().tolist() for batch in made if batch.selected is not None] == [
        [[0, 0], [1, 0]],
        [[0, 1], [0, 0]],
    ]
    values = torch.cat([batch.covariances for batch in made if batch.covariances is not None])
    expected = torch.tensor([[-1.0, 0.0], [1.9, 1.8], [1.0, 7.0], [1.7, 1.6]])
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-4)


def test_ties_go_to_the_rollout_that_comes_first_however_rollouts_are_dealt_out() -> None:
    # Every covariance is 0.25.
    rows = {0: [-1.0, -1.0], 1: [-0.5, -0.5], 2: [-1.0, -1.0], 3: [-0.5, -0.5]}
    for deal in ([[0, 1], [2, 3]], [[3, 0], [2, 1]], [[2, 1, 3, 0]]):
        batches = [a_batch(numbers, [rows[number] for number in numbers]) for numbers in deal]
        made = select(batches, [batch.old_log_probs for batch in batches], HALF, seed=(0,))
        places = {
            item.number: row.int().tolist()
            for batch in made
            for item, row in zip(batch.rollouts, batch.selected if batch.selected is not None else [], strict=True)
        }
        assert places == {0: [1, 1], 1: [0, 0], 2: [0, 0], 3: [0, 0]}, deal


def test_a_difference_of_rounding_decides_nothing() -> None:
    # A tie of four, which goes to the first token; the noise would move it to the last one.
    exact = a_batch([0, 1], [[-1.0, -1.0], [-0.001, -0.001]])
    noisy = exact.old_log_probs + torch.tensor([[0.0, 0.0], [0.0, 2e-6]])
    made = [select([exact], [numbers], HALF, seed=(0,))[0].selected for numbers in (exact.old_log_probs, noisy)]
    assert made[0] is not None and made[1] is not None
    assert made[0].int().tolist() == made[1].int().tolist() == [[1, 0], [0, 0]]


def test_rollouts_that_teach_nothing_are_not_chosen_and_count_for_nothing() -> None:
    living = a_batch([0, 1], [[-1.0, -2.0], [-0.1, -0.2]])
    dead = a_batch([2, 3], [[-3.0, -9.0], [-0.3, -0.4]], alive=[False, False])
    numbers = [living.old_log_probs, dead.old_log_probs]
    with_dead, without = (
        select([living, dead], numbers, HALF, seed=(0,)),
        select([living], numbers[:1], HALF, seed=(0,)),
    )
    assert with_dead[0].selected is not None and without[0].selected is not None
    assert torch.equal(with_dead[0].selected, without[0].selected)
    assert with_dead[1].selected is not None and not with_dead[1].selected.any()
