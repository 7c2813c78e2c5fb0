"""The GRPO stage: an SFT folder in, a GRPO folder out."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
from transformers.trainer_utils import set_seed
from trl.trainer.grpo_config import GRPOConfig

from loupe.core.errors import ConfigError
from loupe.core.model.loading import load_model, save_model
from loupe.core.model.local_policy import LocalPolicy, decoding_for
from loupe.core.model.resume import last_checkpoint
from loupe.core.model.trainer_log import Progress, RunLogCallback, quiet_libraries, train_quietly
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample
from loupe.core.runs import RunFolder, open_run
from loupe.core.sampling import GREEDY
from loupe.core.watched import keep_watched
from loupe.data.store import load_samples
from loupe.grpo.config import GrpoConfig
from loupe.grpo.disk import room_for
from loupe.grpo.objective import loss_config
from loupe.grpo.scoring import check_paid
from loupe.grpo.tasks import Row, check_rank, load_rows
from loupe.grpo.trainer import ZoomGRPOTrainer, reward_names
from loupe.grpo.vllm_policy import check_vllm, vllm_arguments
from loupe.grpo.work import Work
from loupe.rewards.joint import JointReward
from loupe.rewards.terms import TERMS
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.probe import episode_probe, spread

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
}
"""What we rely on; the second and third crash TRL 1.16 when a completion holds images."""


def run_grpo(config: GrpoConfig, *, progress: Progress | None = None) -> Path:
    """Train and write `<out>/model`; returns that folder. `progress(done, total)` counts steps.

    Raises LoupeError for what a user can mend.
    """
    out, data = Path(config.out), Path(config.data)
    with quiet_libraries():
        arguments = trainer_arguments(config, out)
    rows = _enough_rows(config, arguments)
    set_seed(config.seed)
    model, processor = load_model(config.model, train=True)
    if arguments.use_vllm:
        _let_vllm_sample(arguments, model, processor, rows)
    run = _run_folder(config, arguments)
    samples, protocol = watched(config)
    images = loop_inputs(data, samples)
    if arguments.process_index == 0:
        keep_watched(run.path, zip(samples, (item.image for item in images), strict=True))
    probe = episode_probe(
        images, protocol, lambda trained: LocalPolicy(trained, processor, max_new_tokens=protocol.max_new_tokens)
    )
    trainer = ZoomGRPOTrainer(
        model=model,
        args=arguments,
        processing_class=processor,
        reward_funcs=reward_names(),
        train_dataset=numbered(len(rows)),
        callbacks=[RunLogCallback(run, probe, probe_every=config.probe_every, progress=progress)],
        work=Work(rows, data, config, run),
    )
    with room_for(out):
        train_quietly(trainer, checkpoint=last_checkpoint(out / "checkpoints") if config.resume else None)
    if trainer.is_world_process_zero():
        with room_for(out / "model"):
            save_model(trainer.accelerator.unwrap_model(trainer.model), processor, out / "model")
    return out / "model"


def watched(config: GrpoConfig) -> tuple[list[Sample], Protocol]:
    """Images whose episodes are kept over time, and the protocol of the first task that is asked of one image; no
    images where every task compares two. Raises MissingFileError, ConfigError."""
    data, protocols = Path(config.data), [load_protocol(task.protocol) for task in config.mix.values()]
    single = next((protocol for protocol in protocols if "choice" not in protocol.asks), None)
    if single is None or not config.probe_images:
        return [], single or protocols[0]
    return spread(load_samples(data, "val"), config.probe_images), single


def trainer_arguments(config: GrpoConfig, out: Path) -> GRPOConfig:
    """TRL's arguments: ours, then the user's. Raises ConfigError for what TRL refuses and for what could never act."""
    weights = [getattr(config.rewards, name) for name in TERMS]
    protocols = [load_protocol(task.protocol) for task in config.mix.values()]
    longest = max(protocol.max_new_tokens * protocol.max_rounds for protocol in protocols)
    ours = {
        "output_dir": str(out / "checkpoints"),
        "seed": config.seed,
        "max_completion_length": longest,
        **_sampling(config),
    }
    if clash := sorted(set(config.trainer) & {*_FIXED, *ours, "reward_weights"}):
        raise ConfigError(
            f"trainer.{clash[0]} is set by this stage; use `out`, `seed`, `sampling`, `rewards` and the protocol, or "
            "leave it"
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
    if arguments.use_vllm:
        check_vllm(quantise=config.model.quantise, installed=find_spec("vllm") is not None)
    return arguments


def _run_folder(config: GrpoConfig, arguments: Any) -> RunFolder:
    """The run folder, made by the first process alone: to the others a half-made one would look like another run."""
    out, manifest = Path(config.out), Path(config.data) / "manifest.json"
    with arguments.main_process_first(local=False):
        if arguments.process_index > 0:
            return RunFolder(out)
        return open_run(out, config, data=[manifest], start=config.model.path, resume=config.resume)


def _let_vllm_sample(arguments: Any, model: Any, processor: Any, rows: Sequence[Row]) -> None:
    longest = max(row.protocol.max_new_tokens for row in rows)
    local = decoding_for(processor, max_new_tokens=longest, sampling=GREEDY, model=model)
    for name, value in vllm_arguments(suppressed=local.suppress_ids, max_new_tokens=longest).items():
        setattr(arguments, name, value)


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
    updates = every // math.gcd(every, arguments.gradient_accumulation_steps)
    share = arguments.save_steps < 1
    wanted = math.ceil(arguments.save_steps * arguments.max_steps) if share else arguments.save_steps
    if arguments.save_strategy == "steps" and arguments.max_steps % updates:
        raise ConfigError(
            f"trainer.max_steps={arguments.max_steps} ends between the {updates} updates of a generation, and so would "
            f"the last checkpoint; set a multiple of {updates}, such as {-(-arguments.max_steps // updates) * updates}"
        )
    if arguments.save_strategy == "steps" and wanted % updates:
        near = max(updates, round(wanted / updates) * updates)
        raise ConfigError(
            f"trainer.save_steps={arguments.save_steps} falls between the {updates} updates of a generation; set a "
            f"multiple of {updates}, for example {near}"
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
    check_paid(rows, JointReward(config.rewards, config.reward_options))
    if config.rewards.rank > 0:
        check_rank(rows, images=images)
    return rows


def numbered(count: int) -> datasets.Dataset:
    """Rows that name what is drawn; the prompt is a stand-in, the loop builds the real one."""
    prompt = [{"role": "user", "content": "image"}]
    return datasets.Dataset.from_dict({"prompt": [prompt] * count, "index": list(range(count))})
