"""Arguments that TRL would refuse, or would take without their ever having an effect, are refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError
from loupe.core.sampling import Sampling
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.objective import loss_config
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


def test_how_rollouts_are_drawn_is_handed_on_so_that_logits_are_divided_by_the_same_temperature(tmp_path: Path) -> None:
    warm = config()
    warm.sampling = Sampling(temperature=0.7, top_p=0.9, top_k=5, min_p=0.1)
    arguments = trainer_arguments(warm, tmp_path)
    assert (arguments.temperature, arguments.top_p, arguments.top_k, arguments.min_p) == (0.7, 0.9, 5, 0.1)


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ({"learning_rat": 1.0}, "unexpected keyword argument 'learning_rat'"),
        ({"num_generations": 7}, "divisible"),
        ({"loss_type": "dapo", "lr_scheduler_type": "zigzag"}, "zigzag"),
        ({"max_steps": 0}, r"trainer\.max_steps=0; wanted a number of steps"),
        ({"seed": 3}, r"trainer\.seed is set by this stage"),
        (
            {"temperature": 0.5},
            r"trainer\.temperature is set by this stage; use `out`, `seed`, `sampling`, `rewards` and the protocol",
        ),
        ({"top_p": 0.5}, r"trainer\.top_p is set by this stage"),
        ({"reward_weights": [1.0]}, r"trainer\.reward_weights is set by this stage"),
        ({"mask_truncated_completions": True}, r"trainer\.mask_truncated_completions is set by this stage"),
        ({"loss_type": "sapo"}, r"trainer\.loss_type=sapo; wanted one of dapo, bnpo, dr_grpo, grpo"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, trainer: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        trainer_arguments(config(**trainer), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("importance_sampling_level", "sequence"),
        ("multi_objective_aggregation", "normalize_then_sum"),
        ("delta", 2.0),
        ("top_entropy_quantile", 0.2),
        ("off_policy_mask_threshold", 0.5),
        ("entropy_coef", 0.01),
        ("use_adaptive_entropy", True),
        ("sync_ref_model", True),
    ],
)
def test_an_argument_that_our_loss_does_not_read_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(
        ConfigError, match=rf"got trainer\.{name}={value}, which this loss does not follow; leave it at"
    ):
        trainer_arguments(config(**{name: value}), tmp_path)


def test_sampling_without_chance_is_refused(tmp_path: Path) -> None:
    cold = config()
    cold.sampling = Sampling(temperature=0.0)
    with pytest.raises(ConfigError, match=r"sampling\.temperature=0 makes all rollouts of an image the same"):
        trainer_arguments(cold, tmp_path)


ON_POLICY = [
    {"steps_per_generation": 1},
    {"steps_per_generation": 2, "gradient_accumulation_steps": 2},
    {"steps_per_generation": 1, "num_iterations": 2, "gradient_accumulation_steps": 4},
]


@pytest.mark.parametrize("trainer", ON_POLICY)
def test_coverage_is_refused_where_every_update_is_by_the_policy_that_sampled(
    tmp_path: Path, trainer: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="coverage can never act") as caught:
        trainer_arguments(config(coverage=HELD_BACK, **trainer), tmp_path)
    for way_out in (
        "trainer.num_iterations=2 or more",
        "trainer.steps_per_generation above trainer.gradient_accumulation_steps",
        "coverage.target=reference",
        "coverage.coefficient=0 turns it off",
    ):
        assert way_out in str(caught.value)
    trainer_arguments(config(**trainer), tmp_path)


@pytest.mark.parametrize("trainer", [{"steps_per_generation": 2}, {"steps_per_generation": 1, "num_iterations": 2}, {}])
def test_coverage_is_taken_where_it_can_act(tmp_path: Path, trainer: dict[str, Any]) -> None:
    settings = config(coverage=HELD_BACK, **trainer)
    assert loss_config(settings, trainer_arguments(settings, tmp_path)).coverage == HELD_BACK


@pytest.mark.parametrize("held", [CoverageConfig(1.0, target="reference"), CoverageConfig(1.0, rule="clip")])
def test_coverage_that_holds_to_no_old_policy_is_taken_on_policy_too(tmp_path: Path, held: CoverageConfig) -> None:
    settings = config(coverage=held, **ON_POLICY[0])
    assert loss_config(settings, trainer_arguments(settings, tmp_path)).coverage == held


@pytest.mark.parametrize("kind", ["grpo", "bnpo", "dr_grpo"])
def test_coverage_is_taken_with_every_loss(tmp_path: Path, kind: str) -> None:
    assert trainer_arguments(config(coverage=HELD_BACK, loss_type=kind), tmp_path).loss_type == kind


def test_coverage_over_an_update_whose_rollouts_are_of_two_generations_is_refused(tmp_path: Path) -> None:
    split = {"steps_per_generation": 3, "gradient_accumulation_steps": 2}
    with pytest.raises(ConfigError, match=r"whose 2 micro-batches do not lie in one generation of 3"):
        trainer_arguments(config(coverage=HELD_BACK, num_generations=4, save_steps=3, **split), tmp_path)
    alone = CoverageConfig(1.0, scope="microbatch")
    trainer_arguments(config(coverage=alone, num_generations=4, save_steps=3, **split), tmp_path)


@pytest.mark.parametrize(
    ("trainer", "updates", "example"),
    [
        # Two steps a generation, one an update; four steps (two iterations of two); three steps, two an update.
        ({"steps_per_generation": 2, "save_steps": 5}, 2, 4),
        ({"steps_per_generation": 2, "num_iterations": 2, "save_steps": 7, "max_steps": 32}, 4, 8),
        ({"steps_per_generation": 3, "gradient_accumulation_steps": 2, "num_generations": 4, "save_steps": 4}, 3, 3),
        ({"steps_per_generation": 2, "save_steps": 0.1, "max_steps": 30}, 2, 4),
    ],
)
def test_a_checkpoint_within_a_generation_is_refused(
    tmp_path: Path, trainer: dict[str, Any], updates: int, example: int
) -> None:
    wanted = rf"between the {updates} updates of a generation; set a multiple of {updates}, for example {example}$"
    with pytest.raises(ConfigError, match=wanted):
        trainer_arguments(config(**trainer), tmp_path)
    trainer_arguments(config(**trainer | {"save_steps": example}), tmp_path)
    trainer_arguments(config(**trainer, save_strategy="no"), tmp_path)


def test_a_last_checkpoint_within_a_generation_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_steps=31 ends between the 2 updates of a generation.*such as 32"):
        trainer_arguments(config(steps_per_generation=2, max_steps=31), tmp_path)
    trainer_arguments(config(steps_per_generation=2, max_steps=31, save_strategy="no"), tmp_path)


def test_a_share_of_the_steps_is_a_number_of_steps(tmp_path: Path) -> None:
    # 0.2 of 30 steps are 6, three generations of 2.
    assert trainer_arguments(config(save_steps=0.2, max_steps=30), tmp_path).save_steps == 0.2


def test_fewer_images_than_a_generation_batch_takes_are_refused(tmp_path: Path, synthetic_folder: Path) -> None:
    few = config(num_generations=4, per_device_train_batch_size=8, steps_per_generation=1)
    few.data, few.out, few.limit = str(synthetic_folder), str(tmp_path / "run"), 1
    with pytest.raises(ConfigError, match="has 1 training images and one generation batch takes 2"):
        run_grpo(few)
    assert not (tmp_path / "run").exists()


def test_a_step_of_one_image_is_refused_where_images_are_ranked(tmp_path: Path, synthetic_folder: Path) -> None:
    one = config(num_generations=4, per_device_train_batch_size=4, steps_per_generation=1)
    one.data, one.out = str(synthetic_folder), str(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"a step has 1 images .*give more of them, or set rewards\.rank=0"):
        run_grpo(one)
    assert not (tmp_path / "run").exists()
