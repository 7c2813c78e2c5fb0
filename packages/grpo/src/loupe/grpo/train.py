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
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample
from loupe.core.runs import open_run
from loupe.data.store import load_samples
from loupe.grpo.config import GrpoConfig
from loupe.grpo.trainer import Task, ZoomGRPOTrainer, reward_names
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
    "temperature": 1.0,
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
    protocol = _playable(load_protocol(config.protocol))
    with quiet_libraries():
        arguments = trainer_arguments(config, out)
    samples = _enough_samples(config, arguments)
    set_seed(config.seed)
    model, processor = load_model(config.model, train=True)
    run = open_run(out, config, data=[data / "manifest.json"], start=config.model.path, resume=config.resume)
    task = Task(samples, loop_inputs(data, samples), protocol, config, run)
    watched = loop_inputs(data, load_samples(data, "val")[: config.probe_images])
    probe = episode_probe(
        watched, protocol, lambda trained: LocalPolicy(trained, processor, max_new_tokens=protocol.max_new_tokens)
    )
    trainer = ZoomGRPOTrainer(
        model=model,
        args=arguments,
        processing_class=processor,
        reward_funcs=reward_names(),
        train_dataset=_rows(len(samples)),
        callbacks=[RunLogCallback(run, probe, probe_every=config.probe_every, progress=progress)],
        task=task,
    )
    train_quietly(trainer, checkpoint=last_checkpoint(out / "checkpoints") if config.resume else None)
    if trainer.is_world_process_zero():
        save_model(trainer.accelerator.unwrap_model(trainer.model), processor, out / "model")
    return out / "model"


def trainer_arguments(config: GrpoConfig, out: Path) -> GRPOConfig:
    """TRL's arguments: ours, then the user's. Raises ConfigError for what TRL refuses and for what could never act."""
    weights = [getattr(config.rewards, name) for name in TERMS]
    if clash := sorted(set(config.trainer) & {*_FIXED, "output_dir", "seed", "reward_weights"}):
        raise ConfigError(f"trainer.{clash[0]} is set by this stage; use `out`, `seed` and `rewards`, or leave it")
    merged = {**_DEFAULTS, **config.trainer, **_FIXED, "output_dir": str(out / "checkpoints"), "seed": config.seed}
    try:
        arguments: Any = GRPOConfig(**merged, reward_weights=weights)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error
    if arguments.max_steps <= 0:
        raise ConfigError(
            f"trainer.max_steps={arguments.max_steps}; wanted a number of steps, the sampler plans with it"
        )
    every = arguments.steps_per_generation * arguments.num_iterations
    if config.coverage.coefficient and arguments.loss_type != "dapo":
        raise ConfigError(
            f"coverage is normalised as the dapo loss is, got trainer.loss_type={arguments.loss_type}; "
            "leave it at dapo, or set coverage.coefficient=0"
        )
    if config.coverage.coefficient and arguments.gradient_accumulation_steps % every == 0:
        raise ConfigError(
            "coverage can never act with one update for each generation, where old and new policy are the same; set "
            "trainer.num_iterations=2, or trainer.steps_per_generation=2, or coverage.coefficient=0"
        )
    return arguments


def _playable(protocol: Protocol) -> Protocol:
    """The protocol. Raises ConfigError where it asks for what an episode over one image cannot answer."""
    if "choice" in protocol.asks:
        raise ConfigError(
            f"protocol {protocol.name!r} asks to choose between images, and GRPO plays episodes over one; score such "
            "completions with loupe.rewards.joint, or take another protocol"
        )
    return protocol


def _enough_samples(config: GrpoConfig, arguments: Any) -> list[Sample]:
    """The images to play. Raises ConfigError where they are fewer than one generation batch takes."""
    samples = load_samples(Path(config.data), "train")
    samples = samples[: config.limit] if config.limit else samples
    images = arguments.generation_batch_size // arguments.num_generations
    if len(samples) < images:
        raise ConfigError(
            f"{config.data} has {len(samples)} training images and one generation batch takes {images}; give more "
            "images, or set a smaller trainer.per_device_train_batch_size"
        )
    return samples


def _rows(count: int) -> datasets.Dataset:
    """Rows that name an image; the prompt is a stand-in, the loop builds the real one."""
    prompt = [{"role": "user", "content": "image"}]
    return datasets.Dataset.from_dict({"prompt": [prompt] * count, "index": list(range(count))})
