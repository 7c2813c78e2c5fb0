"""From TRL's arguments to our loss: in a run without coverage, loss and gradients are those of TRL itself."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from loupe.core.model.encode import Encoded
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.loss import LossConfig, LossInputs, policy_loss
from loupe.grpo.micro_batch import MicroBatch
from loupe.grpo.objective import AGGREGATIONS, is_on_policy, loss_config, needs_reference, normaliser
from loupe.grpo.trainer import ZoomGRPOTrainer

Scripted = Callable[..., Any]
OURS = ZoomGRPOTrainer._compute_loss
LOSS_TYPES = ("dapo", "grpo", "bnpo", "dr_grpo")
KLS = ((0.0, False), (0.3, False), (0.3, True))
"""beta, and whether the KL is corrected by the ratio."""


def arguments(**given: Any) -> GRPOConfig:
    return GRPOConfig(use_cpu=True, report_to="none", num_generations=2, **given)


@dataclass(frozen=True)
class Beside:
    """What the two made of one micro-batch, with the gradient of each weight that has one."""

    case: tuple[str, float, bool]
    loss: torch.Tensor
    stock_loss: torch.Tensor
    gradients: dict[str, torch.Tensor]
    stock_gradients: dict[str, torch.Tensor]


def stock_inputs(trainer: ZoomGRPOTrainer, batch: MicroBatch) -> dict[str, Any]:
    """The same rollouts as TRL knows them: a prompt and an image a sample, prompts padded in front."""
    pad = trainer.encoder.tokenizer.pad_token_id
    prompts, completions = ([part(item) for item in batch.rollouts] for part in (_prompt, _completion))
    prompt_ids, prompt_mask = _padded([part.input_ids for part in prompts], pad, front=True)
    completion_ids, completion_mask = _padded([part.input_ids for part in completions], pad, front=False)
    parts = [part for pair in zip(prompts, completions, strict=True) for part in pair if part.grid_thw is not None]
    width, ids = completion_ids.shape[1], torch.cat([prompt_ids, completion_ids], dim=1)
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "tool_mask": batch.mask[:, :width].int(),
        "advantages": batch.advantages,
        "num_items_in_batch": trainer._tokens,
        "old_per_token_logps": None if is_on_policy(trainer.args) else batch.old_log_probs[:, :width],
        "ref_per_token_logps": batch.reference_log_probs[:, :width],
        "pixel_values": torch.cat([part.pixel_values for part in parts]),
        "image_grid_thw": torch.cat([part.grid_thw for part in parts]),
        "num_images": [_images(prompt) + _images(rest) for prompt, rest in zip(prompts, completions, strict=True)],
        "mm_token_type_ids": (ids == trainer.encoder.image_token_id).long(),
    }


def _prompt(item: Any) -> Encoded:
    return item.prompt.encoded


def _completion(item: Any) -> Encoded:
    return item.completion


def _images(part: Encoded) -> int:
    return 0 if part.grid_thw is None else len(part.grid_thw)


def _padded(rows: list[list[int]], pad: int, *, front: bool) -> tuple[torch.Tensor, torch.Tensor]:
    side = "left" if front else "right"
    tensors = [torch.tensor(row) for row in rows]
    made = [
        torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=value, padding_side=side)
        for items, value in ((tensors, pad), ([torch.ones_like(item) for item in tensors], 0))
    ]
    return made[0], made[1]


def beside_stock(trainer: Any, model: Any, batch: MicroBatch, case: tuple[str, float, bool]) -> Beside:
    """Our loss and TRL's of one micro-batch under other settings of the same run."""
    kind, beta, corrected = case
    trainer.loss_type = trainer.args.loss_type = kind
    trainer.beta = trainer.args.beta = beta
    trainer.args.use_bias_correction_kl = corrected
    trainer.loss_config = loss_config(trainer.work.config, trainer.args)
    results = []
    for loss in (
        OURS(trainer, model, batch),
        GRPOTrainer._compute_loss(trainer, model, stock_inputs(trainer, batch)),
    ):
        named = [(name, item) for name, item in model.named_parameters() if item.requires_grad]
        grads = torch.autograd.grad(loss, [item for _, item in named], allow_unused=True)
        pairs = {name: grad for (name, _), grad in zip(named, grads, strict=True) if grad is not None}
        results.append((loss.detach(), pairs))
    (loss, mine), (stock, its) = results
    return Beside(case, loss, stock, mine, its)


@pytest.mark.parametrize(
    "cut",
    [
        {"per_device_train_batch_size": 2, "steps_per_generation": 2, "gradient_accumulation_steps": 2},
        {"per_device_train_batch_size": 2, "steps_per_generation": 2},
    ],
    ids=["on-policy", "off-policy"],
)
def test_loss_and_gradients_are_those_of_trl_on_the_same_rollouts(scripted: Scripted, cut: dict[str, Any]) -> None:
    seen: list[Beside] = []

    def watched(self: ZoomGRPOTrainer, model: Any, inputs: MicroBatch) -> torch.Tensor:
        # The last micro-batch of a run is the farthest from the policy that sampled.
        if self._step == self.args.max_steps * self.args.gradient_accumulation_steps - 1:
            seen.extend(beside_stock(self, model, inputs, (kind, *kl)) for kind, kl in product(LOSS_TYPES, KLS))
        return OURS(self, model, inputs)

    settings = {"num_generations": 2, "max_steps": 2, "beta": 0.3, "learning_rate": 3e-3, **cut}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZoomGRPOTrainer, "_compute_loss", watched)
        trainer = scripted(trainer=settings)
    assert len(seen) == len(LOSS_TYPES) * len(KLS)
    assert len({float(item.loss) for item in seen}) > 6
    assert trainer.state.log_history[1]["kl"] > 0.01
    assert (trainer.state.log_history[1]["clip_ratio"] > 0.01) == (len(cut) == 2)
    for item in seen:
        torch.testing.assert_close(item.loss, item.stock_loss, rtol=1e-6, atol=1e-6, msg=str(item.case))
        whole = torch.stack([grad.norm() for grad in item.stock_gradients.values()]).norm()
        assert item.gradients.keys() == item.stock_gradients.keys()
        for name, grad in item.stock_gradients.items():
            off = (item.gradients[name] - grad).norm() / whole
            # TRL's fused head computes in single precision whatever the model is in.
            assert off <= 2e-6, f"{item.case}, {name}: {off:.1e}"


def shared_loss(kind: str, log_probs: torch.Tensor, mask: torch.Tensor, *, rows: list[list[int]]) -> torch.Tensor:
    """The loss of an update that is cut into micro-batches of these rows."""
    args = arguments(loss_type=kind, max_completion_length=50, steps_per_generation=len(rows), **_generation(rows))
    total, tokens = torch.zeros(()), mask.sum().float()
    for part in rows:
        inputs = LossInputs(
            log_probs[part],
            log_probs[part] - 0.1,
            torch.tensor([1.0, -2.0, 0.5, 3.0])[part],
            mask[part],
            normaliser=normaliser(
                args, tokens=tokens, own=int(mask[part].sum()), rows=len(part), accumulation=len(rows), processes=1
            ),
        )
        total = total + policy_loss(inputs, LossConfig(aggregation=AGGREGATIONS[kind])).loss
    return total


def _generation(rows: list[list[int]]) -> dict[str, int]:
    return {"per_device_train_batch_size": len(rows[0]), "gradient_accumulation_steps": len(rows)}


MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 0, 1, 0]])
LOG_PROBS = -torch.arange(1.0, 21.0).reshape(4, 5) / 10


@pytest.mark.parametrize("kind", ["dapo", "grpo", "dr_grpo"])
def test_micro_batches_of_an_update_sum_to_the_loss_of_the_whole(kind: str) -> None:
    whole, halves, mixed = (
        shared_loss(kind, LOG_PROBS, MASK, rows=rows) for rows in ([[0, 1, 2, 3]], [[0, 1], [2, 3]], [[3, 0], [2, 1]])
    )
    assert abs(whole) > 0.01
    torch.testing.assert_close(halves, whole, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(mixed, whole, rtol=1e-6, atol=1e-7)


def test_under_bnpo_an_update_is_the_mean_over_the_means_of_its_micro_batches() -> None:
    halves = shared_loss("bnpo", LOG_PROBS, MASK, rows=[[0, 1], [2, 3]])
    # Ratio exp(.1) is within the bounds. Tokens by row 3, 5, 1, 3 times advantages 1, -2, .5, 3.
    expected = -torch.tensor(0.1).exp() * ((3 - 10) / 8 + (0.5 + 9) / 4) / 2
    torch.testing.assert_close(halves, expected, rtol=1e-6, atol=1e-7)


def test_normalisers_are_worked_by_hand() -> None:
    # A generation of 120 tokens in 2 processes and 4 steps, 2 of which make an update; here 3 rollouts of 11 tokens.
    given = {"tokens": torch.tensor(120.0), "own": 11, "rows": 3, "accumulation": 2, "processes": 2}
    wanted = {"dapo": 120 / 2 * 2 / 4, "bnpo": 11 * 2, "dr_grpo": 3 * 50 * 2, "grpo": 3 * 2}
    for kind, expected in wanted.items():
        args = arguments(loss_type=kind, max_completion_length=50, steps_per_generation=4)
        assert float(normaliser(args, **given)) == expected


def test_a_batch_without_a_word_divides_by_one() -> None:
    silent = {"tokens": torch.zeros(()), "own": 0, "rows": 4, "accumulation": 1, "processes": 1}
    assert float(normaliser(arguments(loss_type="dapo", steps_per_generation=1), **silent)) == 1
    assert float(normaliser(arguments(loss_type="bnpo", steps_per_generation=1), **silent)) == 1


@pytest.mark.parametrize(
    ("steps", "iterations", "accumulation", "expected"),
    [(1, 1, 1, True), (2, 1, 1, False), (2, 1, 2, True), (1, 2, 1, False), (1, 2, 4, True), (2, 1, 3, False)],
)
def test_a_run_is_on_policy_where_whole_generations_make_an_update(
    steps: int, iterations: int, accumulation: int, expected: bool
) -> None:
    given = {"steps_per_generation": steps, "num_iterations": iterations, "gradient_accumulation_steps": accumulation}
    assert is_on_policy(arguments(per_device_train_batch_size=2, **given)) is expected


def test_a_reference_is_asked_for_by_beta_or_by_a_rule_of_coverage_that_holds_to_it() -> None:
    held = CoverageConfig(1.0, target="reference")
    assert not needs_reference(LossConfig())
    assert needs_reference(LossConfig(beta=0.1))
    assert needs_reference(LossConfig(coverage=held))
    assert not needs_reference(LossConfig(coverage=CoverageConfig(1.0)))
    assert not needs_reference(LossConfig(coverage=CoverageConfig(0.0, target="reference")))
    assert not needs_reference(LossConfig(coverage=CoverageConfig(1.0, target="reference", rule="clip")))


def test_bounds_of_the_ratio_are_those_of_trl_and_none_without_the_clip() -> None:
    one, other = arguments(epsilon=0.1), arguments(epsilon=0.1, epsilon_high=0.3)
    both = [loss_config(GrpoConfig(), args) for args in (one, other)]
    assert [(item.clip_low, item.clip_high) for item in both] == [(0.1, 0.1), (0.1, 0.3)]
    unbounded = loss_config(GrpoConfig(clip=False), other)
    assert (unbounded.clip_low, unbounded.clip_high) == (None, None)
