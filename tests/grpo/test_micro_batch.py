"""Rollouts and their numbers stay together, however they are cut, put in another order, or left out."""

from typing import Any

import pytest
import torch

from loupe.core.model.encode import Encoded
from loupe.grpo.micro_batch import MicroBatch, drawn_log_probs, in_groups, own_tokens
from loupe.grpo.rollout import Prompt, Rollout

CPU = torch.device("cpu")
ONE, OTHER, THIRD = (Prompt(Encoded([number], [False], None, None)) for number in range(3))


def rollout(number: int, prompt: Prompt, wrote: str, log_probs: list[float] | None = None) -> Rollout:
    """`wrote` has a 1 for each of the agent's own tokens, a 0 for each that it was shown."""
    own = [letter == "1" for letter in wrote]
    return Rollout(number, prompt, Encoded([7] * len(own), own, None, None), log_probs)


ROLLOUTS = [rollout(4, ONE, "11"), rollout(5, ONE, "1101"), rollout(6, OTHER, "1"), rollout(7, OTHER, "101")]


def batch(**fields: Any) -> MicroBatch:
    mask = own_tokens(ROLLOUTS, device=CPU)
    numbers = torch.arange(16.0).reshape(4, 4) * mask
    alive = torch.tensor([True, True, False, False])
    given = {"advantages": torch.tensor([1.0, -1.0, 0.0, 0.0]), "alive": alive, "mask": mask, "old_log_probs": numbers}
    return MicroBatch(ROLLOUTS, **(given | fields))


def test_the_mask_marks_what_the_agent_wrote_and_no_padding() -> None:
    assert own_tokens(ROLLOUTS, device=CPU).int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 0], [1, 0, 1, 0]]


def test_numbers_of_the_draw_are_padded_to_the_longest_and_unknown_ones_are_zero() -> None:
    known = [rollout(0, ONE, "11", [-1.0, -2.0]), rollout(1, ONE, "101", [-3.0, 0.0, -4.0]), rollout(2, ONE, "1111")]
    assert drawn_log_probs(known, device=CPU).tolist() == [[-1, -2, 0, 0], [-3, 0, -4, 0], [0, 0, 0, 0]]


def test_rows_are_taken_with_all_that_is_known_of_them() -> None:
    whole = batch(reference_log_probs=torch.ones(4, 4))
    taken = whole.take([3, 0])
    assert [item.number for item in taken.rollouts] == taken.numbers.tolist() == [7, 4]
    assert taken.alive.tolist() == [False, True]
    assert torch.equal(taken.old_log_probs, whole.old_log_probs[[3, 0]])
    assert taken.reference_log_probs is not None and taken.reference_log_probs.shape == (2, 4)
    assert taken.selected is None


def test_a_cut_drops_columns_of_all_that_is_known_by_token() -> None:
    cut = batch().take([0, 2]).cut(2)
    assert cut.mask.int().tolist() == [[1, 1], [1, 0]]
    assert cut.old_log_probs.shape == (2, 2)
    assert cut.advantages.tolist() == [1.0, 0.0]
    assert torch.equal(cut.wide(cut.old_log_probs), cut.old_log_probs)


def test_rows_that_were_not_seen_keep_the_numbers_of_the_policy_that_sampled() -> None:
    whole = batch()
    seen = whole.seen([1, 3], torch.tensor([[-1.0, -2.0, 0.0], [-3.0, 0.0, -4.0]]))
    assert torch.equal(seen[[0, 2]], whole.old_log_probs[[0, 2]])
    assert seen[[1, 3]].tolist() == [[-1, -2, 0, 0], [-3, 0, -4, 0]]


def test_rows_that_teach_nothing_stay_out_of_the_model_unless_they_have_a_say() -> None:
    assert batch().forward_rows(dead=False) == [0, 1]
    assert batch().forward_rows(dead=True) == [0, 1, 2, 3]


def test_where_nothing_teaches_the_shortest_rollout_goes_in() -> None:
    assert batch(alive=torch.zeros(4, dtype=torch.bool)).forward_rows(dead=False) == [2]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_mixed_and_their_samples_stay_in_a_row(seed: int) -> None:
    prompts = [ONE, ONE, ONE, OTHER, OTHER, THIRD]
    items = [rollout(number, prompt, "1") for number, prompt in enumerate(prompts)]
    order = in_groups(items, generator=torch.Generator().manual_seed(seed))
    assert sorted(order) == list(range(6))
    places = "".join(map(str, order))
    assert all(run in places for run in ("012", "34", "5"))


def test_the_order_of_groups_is_drawn() -> None:
    items = [rollout(number, prompt, "1") for number, prompt in enumerate([ONE, OTHER, THIRD])]
    orders = {tuple(in_groups(items, generator=torch.Generator().manual_seed(seed))) for seed in range(30)}
    assert len(orders) == 6
