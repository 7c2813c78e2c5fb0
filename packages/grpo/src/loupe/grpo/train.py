"""The GRPO stage: an SFT folder in, a GRPO folder out."""

from pathlib import Path
from typing import Any

import datasets
from transformers.trainer_utils import set_seed
from trl.trainer.grpo_config import GRPOConfig

from loupe.core.errors import ConfigError
from loupe.core.model.loading import load_model, save_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.resume import last_checkpoint
from loupe.core.model.trainer_log import Progress, RunLogCallback, quiet_libraries, train_quietly
from loupe.core.protocol import load_protocol
from loupe.core.runs import open_run
from loupe.data.store import load_samples
from loupe.grpo.config import GrpoConfig
from loupe.grpo.objective import loss_config
from loupe.grpo.tasks import Row, check_rank, load_rows
from loupe.grpo.trainer import Work, ZoomGRPOTrainer, reward_names
from loupe.rewards.terms import TERMS
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.probe import episode_probe

_DEFAULTS: dict[str, Any] = {
    "num_generations": 8,
    "per_device_train_batch_size": 64,
    "gradient_accumulation_steps": 1,
    "steps_per_generation": 2,
    "num_iterations": 1,
    "max_steps": 30,
    "learning_rate": 1e-4,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_steps": 2,
    "beta": 0.0,
    "loss_type": "dapo",
    "logging_steps": 1,
    "save_steps": 20,
    "save_total_limit": 1,
    "gradient_checkpointing": False,
    "bf16": False,
    "report_to": "tensorboard",
}
"""Where ours differ from TRL's own; `trainer.` overrides both."""
_FIXED: dict[str, Any] = {
    "remove_unused_columns": False,
    "log_completions": False,
    "mask_truncated_completions": False,
    "use_vllm": False,
}
"""What the hooks rely on; the second and third crash TRL 1.16 when a completion holds images."""


def run_grpo(config: GrpoConfig, *, progress: Progress | None = None) -> Path:
    """Train and write `<out>/model`; returns that folder. `progress(done, total)` counts steps.

    Raises LoupeError for what a user can mend.
    """
    out, data = Path(config.out), Path(config.data)
    protocol = load_protocol(next(iter(config.mix.values())).protocol)
    with quiet_libraries():
        arguments = trainer_arguments(config, out)
    rows = _enough_rows(config, arguments)
    set_seed(config.seed)
    model, processor = load_model(config.model, train=True)
    run = open_run(out, config, data=[data / "manifest.json"], start=config.model.path, resume=config.resume)
    watched = loop_inputs(data, load_samples(data, "val")[: config.probe_images])
    probe = episode_probe(
        watched, protocol, lambda trained: LocalPolicy(trained, processor, max_new_tokens=protocol.max_new_tokens)
    )
    trainer = ZoomGRPOTrainer(
        model=model,
        args=arguments,
        processing_class=processor,
        reward_funcs=reward_names(),
        train_dataset=_numbered(len(rows)),
        callbacks=[RunLogCallback(run, probe, probe_every=config.probe_every, progress=progress)],
        work=Work(rows, data, config, run),
    )
    train_quietly(trainer, checkpoint=last_checkpoint(out / "checkpoints") if config.resume else None)
    if trainer.is_world_process_zero():
        save_model(trainer.accelerator.unwrap_model(trainer.model), processor, out / "model")
    return out / "model"


def trainer_arguments(config: GrpoConfig, out: Path) -> GRPOConfig:
    """TRL's arguments: ours, then the user's. Raises ConfigError for what TRL refuses and for what could never act."""
    weights = [getattr(config.rewards, name) for name in TERMS]
    ours = {"output_dir": str(out / "checkpoints"), "seed": config.seed, **_sampling(config)}
    if clash := sorted(set(config.trainer) & {*_FIXED, *ours, "reward_weights"}):
        raise ConfigError(
            f"trainer.{clash[0]} is set by this stage; use `out`, `seed`, `sampling` and `rewards`, or leave it"
        )
    merged = {**_DEFAULTS, **config.trainer, **_FIXED, **ours}
    try:
        arguments: Any = GRPOConfig(**merged, reward_weights=weights)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error
    if arguments.max_steps <= 0:
        raise ConfigError(
            f"trainer.max_steps={arguments.max_steps}; wanted a number of steps, the sampler plans with it"
        )
    loss_config(config, arguments)
    _check_saving(arguments)
    return arguments


def _sampling(config: GrpoConfig) -> dict[str, Any]:
    """TRL divides logits by the temperature too. Raises ConfigError where rollouts of a prompt could not differ."""
    drawn = config.sampling
    if drawn.temperature == 0:
        raise ConfigError("sampling.temperature=0 makes all rollouts of an image the same; wanted a number above 0")
    return {"temperature": drawn.temperature, "top_p": drawn.top_p, "top_k": drawn.top_k, "min_p": drawn.min_p}


def _check_saving(arguments: Any) -> None:
    """Raises ConfigError where a checkpoint would fall between the updates of one generation: the rollouts are not in
    it, so a run that goes on from there would not be the run that was never stopped."""
    every = arguments.steps_per_generation * arguments.num_iterations
    updates = max(1, every // arguments.gradient_accumulation_steps)
    if arguments.save_strategy == "steps" and arguments.save_steps % updates:
        near = max(updates, round(arguments.save_steps / updates) * updates)
        raise ConfigError(
            f"trainer.save_steps={arguments.save_steps} falls between the {updates} updates of a generation; set a "
            f"multiple of {updates}, for example {near:g}"
        )


def _enough_rows(config: GrpoConfig, arguments: Any) -> list[Row]:
    """What can be played. Raises ConfigError where it is less than one generation batch takes."""
    rows = load_rows(Path(config.data), config.mix, limit=config.limit)
    images = arguments.generation_batch_size // arguments.num_generations
    if len(rows) < images:
        raise ConfigError(
            f"{config.data} has {len(rows)} training images and one generation batch takes {images}; give more "
            "images, or set a smaller trainer.per_device_train_batch_size"
        )
    if config.rewards.rank > 0:
        check_rank(rows, images=images)
    return rows


def _numbered(count: int) -> datasets.Dataset:
    """Rows that name what is drawn; the prompt is a stand-in, the loop builds the real one."""
    prompt = [{"role": "user", "content": "image"}]
    return datasets.Dataset.from_dict({"prompt": [prompt] * count, "index": list(range(count))})
