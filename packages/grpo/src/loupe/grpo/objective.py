"""From the arguments of TRL's trainer to the loss that we compute in its place, and what of them is not read here.

An argument that nobody reads is refused: a run whose settings say one thing and whose loss says another is worse than
none. Reads `loss_type`, `epsilon`, `epsilon_high`, `beta`, `use_bias_correction_kl` and `scale_rewards`.
"""

from typing import Any

import torch

from loupe.core.errors import ConfigError
from loupe.grpo.config import GrpoConfig
from loupe.grpo.loss import LossConfig

AGGREGATIONS = {"dapo": "token", "bnpo": "token", "dr_grpo": "token", "grpo": "sequence"}
"""Aggregation of each of TRL's loss types; what its sum is divided by is `normaliser`'s business."""
_MUST_BE: dict[str, Any] = {
    "importance_sampling_level": "token",
    "multi_objective_aggregation": "sum_then_normalize",
    "delta": None,
    "top_entropy_quantile": 1.0,
    "off_policy_mask_threshold": None,
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "sync_ref_model": False,
    "repetition_penalty": 1.0,
    "generation_kwargs": None,
    "shuffle_dataset": True,
    "pad_to_multiple_of": None,
    "deepspeed": None,
}
"""What is not done here, by the value that turns it off. Sampling in this process wants whole weights: no ZeRO."""


def loss_config(config: GrpoConfig, arguments: Any) -> LossConfig:
    """The form of the loss. Raises ConfigError for arguments that it does not follow, and for what could never act."""
    if arguments.loss_type not in AGGREGATIONS:
        raise ConfigError(f"got trainer.loss_type={arguments.loss_type}; wanted one of {', '.join(AGGREGATIONS)}")
    for name, off in _MUST_BE.items():
        if hasattr(arguments, name) and (got := getattr(arguments, name)) != off:
            raise ConfigError(f"got trainer.{name}={got}, which this loss does not follow; leave it at {off}")
    high = arguments.epsilon if arguments.epsilon_high is None else arguments.epsilon_high
    made = LossConfig(
        clip_low=arguments.epsilon if config.clip else None,
        clip_high=high if config.clip else None,
        beta=arguments.beta,
        correct_kl=arguments.use_bias_correction_kl,
        aggregation=AGGREGATIONS[arguments.loss_type],
        coverage=config.coverage,
    )
    _check_coverage(made, arguments)
    return made


def needs_reference(config: LossConfig) -> bool:
    """Whether the loss asks for log-probabilities of the reference."""
    coverage = config.coverage
    return config.beta > 0 or (coverage.coefficient > 0 and coverage.holds_to_reference)


def is_on_policy(arguments: Any) -> bool:
    """Whether each update uses rollouts of the very policy that it updates, so that every ratio is 1."""
    every = arguments.steps_per_generation * arguments.num_iterations
    return arguments.gradient_accumulation_steps % every == 0


def normaliser(
    arguments: Any, *, tokens: torch.Tensor, own: int, rows: int, accumulation: int, processes: int
) -> float | torch.Tensor:
    """What the loss of a micro-batch is divided by, so that the micro-batches of an update sum to TRL's loss of it.

    `tokens` are those of the whole generation in all processes, `own` those of this micro-batch, `rows` its rollouts,
    `accumulation` the micro-batches of an update.
    """
    kind = arguments.loss_type
    if kind == "dapo":
        return tokens.clamp(min=1.0) / processes * accumulation / arguments.steps_per_generation
    if kind == "bnpo":
        return max(1, own) * accumulation
    if kind == "dr_grpo":
        return rows * arguments.max_completion_length * accumulation
    return rows * accumulation


def _check_coverage(config: LossConfig, arguments: Any) -> None:
    coverage = config.coverage
    if not coverage.coefficient:
        return
    if is_on_policy(arguments) and coverage.target == "old" and coverage.rule != "clip":
        raise ConfigError(
            "coverage can never act: with one update for each generation the old policy is the new one, and the "
            "distance to it is 0. Set trainer.num_iterations=2 or more, or a larger generation batch "
            "(trainer.steps_per_generation above trainer.gradient_accumulation_steps), or coverage.target=reference; "
            "coverage.coefficient=0 turns it off"
        )
    within = arguments.steps_per_generation % arguments.gradient_accumulation_steps == 0
    if coverage.scope == "optimizer_batch" and not within:
        raise ConfigError(
            f"coverage looks at a whole update, whose {arguments.gradient_accumulation_steps} micro-batches do not lie "
            f"in one generation of {arguments.steps_per_generation}; make trainer.steps_per_generation a multiple of "
            "trainer.gradient_accumulation_steps, or set coverage.scope=microbatch"
        )
