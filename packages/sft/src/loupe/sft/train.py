"""The SFT stage: grounded rationales in, a model folder out, on TRL's SFTTrainer.

TRL gets rows that hold nothing but a number and a collator that makes everything of it. So masking is ours (and checked
token by token), while the optimisation, precision, distribution over processes and checkpoints are the library's.
"""

from functools import partial
from pathlib import Path
from typing import Any

import datasets
from transformers.trainer_utils import set_seed
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from loupe.core.errors import ConfigError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import load_model, save_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.resume import Resuming, last_checkpoint
from loupe.core.model.sampling import Sampling
from loupe.core.model.trainer_log import Progress, RunLogCallback, quiet_libraries, train_quietly
from loupe.core.protocol import load_protocol
from loupe.core.runs import open_run
from loupe.data.store import load_samples
from loupe.sft.config import SftConfig
from loupe.sft.examples import ExampleCollator, load_examples, with_own_words
from loupe.sft.own_words import own_words
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.probe import episode_probe

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
    "dataset_kwargs": {"skip_prepare_dataset": True},
}
"""What the collator relies on."""


class RationaleTrainer(Resuming, SFTTrainer):
    """TRL's SFTTrainer that goes on from a checkpoint with the weights of that checkpoint."""


def run_sft(config: SftConfig, *, progress: Progress | None = None, playing: Progress | None = None) -> Path:
    """Train and write `<out>/model`; returns that folder.

    `progress(done, total)` counts steps, and before them `playing(done, total)` the images that the model judges in its
    own words. Raises LoupeError for what a user can mend.
    """
    out, data = Path(config.out), Path(config.data)
    protocol = load_protocol(config.protocol)
    examples = load_examples(data, protocol, limit=config.limit)
    if not len(examples):
        raise ConfigError(f"{data} has no rationales to learn from; make them with `loupe data synth`")
    with quiet_libraries():
        arguments = trainer_arguments(config, out)
    set_seed(config.seed)
    model, processor = load_model(config.model, train=True)
    run = open_run(out, config, data=[data / "manifest.json"], start=config.model.path, resume=config.resume)
    if config.own_words:
        drawn = Sampling(temperature=config.own_temperature)
        player = partial(LocalPolicy, model, processor, max_new_tokens=protocol.max_new_tokens, sampling=drawn)
        examples = with_own_words(examples, own_words(config, player, protocol, progress=playing))
    watched = loop_inputs(data, load_samples(data, "val")[: config.probe_images])
    probe = episode_probe(
        watched, protocol, lambda trained: LocalPolicy(trained, processor, max_new_tokens=protocol.max_new_tokens)
    )
    trainer = RationaleTrainer(
        model=model,
        args=arguments,
        processing_class=processor,
        train_dataset=datasets.Dataset.from_dict({"index": list(range(len(examples)))}),
        data_collator=ExampleCollator(examples, ChatEncoder(processor)),
        callbacks=[RunLogCallback(run, probe, probe_every=config.probe_every, progress=progress)],
    )
    train_quietly(trainer, checkpoint=last_checkpoint(out / "checkpoints") if config.resume else None)
    if trainer.is_world_process_zero():
        save_model(trainer.accelerator.unwrap_model(trainer.model), processor, out / "model")
    return out / "model"


def trainer_arguments(config: SftConfig, out: Path) -> SFTConfig:
    """TRL's arguments: ours, then the user's. Raises ConfigError for an argument that TRL does not know or refuses."""
    if clash := sorted(set(config.trainer) & {*_FIXED, "output_dir", "seed"}):
        raise ConfigError(f"trainer.{clash[0]} is set by this stage; use `out` and `seed`, or leave it")
    merged = {**_DEFAULTS, **config.trainer, **_FIXED, "output_dir": str(out / "checkpoints"), "seed": config.seed}
    try:
        return SFTConfig(**merged)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error
