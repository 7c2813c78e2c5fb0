"""Arguments that TRL would refuse, or would take without their ever having an effect, are refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.train import run_grpo, trainer_arguments
from loupe.rewards.settings import RewardWeights

HELD_BACK = CoverageConfig(coefficient=1.0)


def config(*, coverage: CoverageConfig | None = None, **trainer: Any) -> GrpoConfig:
    return GrpoConfig(coverage=coverage or CoverageConfig(), trainer={"use_cpu": True, **trainer})


def test_the_users_arguments_win_over_ours_and_what_the_hooks_need_wins_over_all(tmp_path: Path) -> None:
    arguments = trainer_arguments(config(num_generations=4, beta=0.02), tmp_path)
    assert (arguments.num_generations, arguments.beta, arguments.loss_type) == (4, 0.02, "dapo")
    assert (arguments.mask_truncated_completions, arguments.use_vllm) == (False, False)


def test_the_weights_of_the_rewards_are_handed_on_in_the_order_of_the_terms(tmp_path: Path) -> None:
    weighted = GrpoConfig(rewards=RewardWeights(0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), trainer={"use_cpu": True})
    assert trainer_arguments(weighted, tmp_path).reward_weights == [0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ({"learning_rat": 1.0}, "unexpected keyword argument 'learning_rat'"),
        ({"num_generations": 7}, "divisible"),
        ({"loss_type": "dapo", "lr_scheduler_type": "zigzag"}, "zigzag"),
        ({"max_steps": 0}, r"trainer\.max_steps=0; wanted a number of steps"),
        ({"seed": 3}, r"trainer\.seed is set by this stage"),
        ({"reward_weights": [1.0]}, r"trainer\.reward_weights is set by this stage; use `out`, `seed` and `rewards`"),
        ({"mask_truncated_completions": True}, r"trainer\.mask_truncated_completions is set by this stage"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, trainer: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        trainer_arguments(config(**trainer), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "trainer",
    [
        {"steps_per_generation": 1},
        {"steps_per_generation": 2, "gradient_accumulation_steps": 2},
        {"steps_per_generation": 1, "num_iterations": 2, "gradient_accumulation_steps": 4},
    ],
)
def test_coverage_is_refused_where_every_update_is_by_the_policy_that_sampled(
    tmp_path: Path, trainer: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"coverage can never act.*num_iterations=2"):
        trainer_arguments(config(coverage=HELD_BACK, **trainer), tmp_path)
    trainer_arguments(config(**trainer), tmp_path)


@pytest.mark.parametrize("trainer", [{"steps_per_generation": 2}, {"steps_per_generation": 1, "num_iterations": 2}, {}])
def test_coverage_is_taken_where_it_can_act(tmp_path: Path, trainer: dict[str, Any]) -> None:
    trainer_arguments(config(coverage=HELD_BACK, **trainer), tmp_path)


def test_fewer_images_than_a_generation_batch_takes_are_refused(tmp_path: Path, synthetic_folder: Path) -> None:
    few = config(num_generations=4, per_device_train_batch_size=8, steps_per_generation=1)
    few.data, few.out, few.limit = str(synthetic_folder), str(tmp_path / "run"), 1
    with pytest.raises(ConfigError, match="has 1 training images and one generation batch takes 2"):
        run_grpo(few)
    assert not (tmp_path / "run").exists()


def test_coverage_under_another_loss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave it at dapo"):
        trainer_arguments(config(coverage=HELD_BACK, loss_type="grpo"), tmp_path)
