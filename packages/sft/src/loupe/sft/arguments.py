"""The arguments of TRL's trainer: ours, then the user's, and what neither of them may change."""

from pathlib import Path
from typing import Any

from trl.trainer.sft_config import SFTConfig

from loupe.core.errors import ConfigError
from loupe.sft.best import LOSS
from loupe.sft.config import SftConfig

_DEFAULTS: dict[str, Any] = {
    "per_device_train_batch_size": 32,
    "learning_rate": 5e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 20,
    "logging_steps": 10,
    "save_steps": 200,
    "save_total_limit": 1,
    "gradient_checkpointing": False,
    "bf16": False,
    "report_to": "tensorboard",
}
"""Where ours differ from TRL's own; `trainer.` overrides both."""
_FIXED: dict[str, Any] = {
    "remove_unused_columns": False,
    "max_length": None,
    "packing": False,
    "padding_free": False,
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "load_best_model_at_end": False,
}
"""What the collator and the choice of the best checkpoint rely on."""


def trainer_arguments(config: SftConfig, out: Path) -> SFTConfig:
    """TRL's arguments. Raises ConfigError for an argument that TRL does not know or refuses."""
    ours = {"output_dir": str(out / "checkpoints"), "seed": config.seed, **_evaluation(config)}
    if clash := sorted(set(config.trainer) & {*_FIXED, *ours, *_EVALUATION}):
        raise ConfigError(f"trainer.{clash[0]} is set by this stage; use {_INSTEAD.get(clash[0], _PLAIN)}, or leave it")
    defaults = {**_DEFAULTS, **(_evaluated(config) if config.eval_every else {})}
    try:
        arguments = SFTConfig(**{**defaults, **config.trainer, **_FIXED, **ours})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error
    if config.eval_every:
        _check_saving(config, arguments)
    check_gpus(arguments.n_gpu)
    return arguments


def check_gpus(count: int) -> None:
    """Raises ConfigError where the library would copy the model to several GPUs and cut each batch for them: images and
    rows cannot be cut."""
    if count > 1:
        raise ConfigError(
            f"one process sees {count} GPUs; start one a GPU with `accelerate launch -m loupe.cli.main sft …`, or show "
            "it one with CUDA_VISIBLE_DEVICES=0"
        )


_EVALUATION = ("eval_strategy", "eval_steps", "metric_for_best_model", "greater_is_better")
_PLAIN = "`out` and `seed`"
_INSTEAD = {
    **dict.fromkeys(("eval_strategy", "eval_steps"), "`eval_every`"),
    **dict.fromkeys(("metric_for_best_model", "greater_is_better", "load_best_model_at_end"), "`keep_best`"),
    **dict.fromkeys(("packing", "padding_free"), "`pack`"),
    "max_length": "`max_tokens`",
}
"""What to use in place of an argument that this stage sets."""


def _evaluation(config: SftConfig) -> dict[str, Any]:
    if not config.eval_every:
        return {}
    values = ("steps", config.eval_every, LOSS, False)
    return dict(zip(_EVALUATION, values, strict=True))


def _evaluated(config: SftConfig) -> dict[str, Any]:
    """Defaults of a run with evaluations: a checkpoint each, and the best one kept beside the last."""
    batch = config.trainer.get("per_device_train_batch_size", _DEFAULTS["per_device_train_batch_size"])
    return {"save_steps": config.eval_every, "save_total_limit": 2, "per_device_eval_batch_size": batch}


def _check_saving(config: SftConfig, arguments: Any) -> None:
    """Raises ConfigError where the best weights could be gone before anybody knows that they were the best."""
    if arguments.save_strategy != "steps" or config.eval_every % arguments.save_steps:
        raise ConfigError(
            f"eval_every={config.eval_every} and trainer.save_steps={arguments.save_steps:g}: each evaluation needs a "
            f"checkpoint; leave save_steps out, or set a number that divides {config.eval_every}"
        )
    if arguments.save_total_limit == 1:
        raise ConfigError(
            "trainer.save_total_limit=1 has no room for the best checkpoint beside the last; set 2 or more"
        )
