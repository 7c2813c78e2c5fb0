"""The SFT stage: grounded rationales in, a model folder out, on TRL's SFTTrainer.

TRL gets rows that hold nothing but numbers and a collator that makes everything of them. So masking is ours (and
checked token by token), while optimisation, precision, distribution over processes and checkpoints are the library's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from transformers.trainer_utils import set_seed

from loupe.core.files import write_json
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import load_model, save_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.resume import last_checkpoint
from loupe.core.model.trainer_log import Probe, Progress, RunLogCallback, quiet_libraries, train_quietly
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample
from loupe.core.runs import RunFolder, open_run
from loupe.core.sampling import Sampling
from loupe.core.watched import keep_watched
from loupe.data.store import load_samples
from loupe.sft.arguments import trainer_arguments
from loupe.sft.best import EarlyStop, stopped_early, take_best
from loupe.sft.collator import ExampleCollator
from loupe.sft.config import SftConfig
from loupe.sft.examples import Example
from loupe.sft.fitted import FILE as LENGTHS
from loupe.sft.fitted import Fitted
from loupe.sft.lengths import fitting
from loupe.sft.mix import epoch_of, examples_of_mix, numbered
from loupe.sft.one_row import takes_one_row
from loupe.sft.own_words import own_words, spoken_examples, without_ratings
from loupe.sft.trainer import RationaleTrainer
from loupe.zoom.inputs import LoopInput, loop_inputs
from loupe.zoom.probe import episode_probe, spread


def run_sft(
    config: SftConfig,
    *,
    progress: Progress | None = None,
    playing: Progress | None = None,
    measuring: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Train and write `<out>/model`; returns that folder.

    `progress(done, total)` counts steps, and before them `measuring(done, total)` the examples whose length is counted
    and `playing(done, total)` the images that the model judges in its own words; `say` gets a line for each thing that
    is known about the examples before the first step. Raises LoupeError for what a user can mend.
    """
    out = Path(config.out)
    with quiet_libraries():
        arguments = trainer_arguments(config, out)
    written, held_out = examples_of_mix(config)
    set_seed(config.seed)
    model, processor = load_model(config.model, train=True)
    encoder = ChatEncoder(processor)
    measured = partial(fitting, encoder=encoder, max_tokens=config.max_tokens, progress=measuring)
    fitted, evaluated = measured(written), measured(held_out)
    inputs, protocol = _watched(config)
    run = _run_folder(config, arguments)
    if config.own_words:
        own = measured(_own_words(config, model, processor, playing=playing))
        fitted, evaluated = _behind_own_words(config, fitted) + own, _behind_own_words(config, evaluated)
    epoch, first = epoch_of(config, fitted), arguments.process_index == 0
    if first:
        _tell(run, fitted, evaluated, say=say)
        if inputs:
            keep_watched(run.path, ((sample, item.image) for sample, item in inputs))
    examples = [*fitted.kept, *evaluated.kept]
    trainer = RationaleTrainer(
        model=model,
        args=arguments,
        processing_class=processor,
        train_dataset=numbered(epoch, fitted.tokens),
        eval_dataset=numbered(range(len(fitted.kept), len(examples)), (*fitted.tokens, *evaluated.tokens)),
        data_collator=ExampleCollator(examples, encoder, packed=config.pack and takes_one_row(model)),
        callbacks=[
            RunLogCallback(run, _probe(inputs, protocol, processor), probe_every=config.probe_every, progress=progress),
            EarlyStop(config.patience),
        ],
        rounds=max(look + 1 for example in examples for look, _ in example.written),
    )
    _train(trainer, config, out)
    if trainer.is_world_process_zero():
        save_model(trainer.accelerator.unwrap_model(trainer.model), processor, out / "model")
    return out / "model"


def _own_words(config: SftConfig, model: Any, processor: Any, *, playing: Progress | None) -> list[Example]:
    protocol = load_protocol(config.protocol)
    drawn = Sampling(temperature=config.own_temperature)
    player = partial(LocalPolicy, model, processor, max_new_tokens=protocol.max_new_tokens, sampling=drawn)
    return spoken_examples(own_words(config, player, protocol, progress=playing), Path(config.data), protocol)


def _behind_own_words(config: SftConfig, written: Fitted) -> Fitted:
    """Written rationales without their ratings: these are learnt, and judged, behind own words alone."""
    return replace(written, kept=tuple(without_ratings(written.kept, load_protocol(config.protocol))))


def _run_folder(config: SftConfig, arguments: Any) -> RunFolder:
    """The run folder, made by the first process alone: to the others a half-made one would look like another run."""
    out, sources = Path(config.out), config.mix.values()
    named = [Path(path) for source in sources for path in (source.rationales, source.held_out) if path]
    files = [file for folder in dict.fromkeys(Path(source.data) for source in sources) for file in _labels(folder)]
    with arguments.main_process_first(local=False):
        if arguments.process_index > 0:
            return RunFolder(out)
        return open_run(out, config, data=[*files, *named], start=config.model.path, resume=config.resume)


def _labels(folder: Path) -> list[Path]:
    """What says which data a folder holds: its manifest, or without one its labels and rationales."""
    if (manifest := folder / "manifest.json").is_file():
        return [manifest]
    names = [f"{part}{split}.jsonl" for part in ("", "rationales/") for split in ("train", "val")]
    return [folder / name for name in names if (folder / name).is_file()]


def _tell(run: RunFolder, fitted: Fitted, evaluated: Fitted, *, say: Callable[[str], None] | None) -> None:
    """length.json, and the same in words."""
    report = {"train": fitted.report(), **({"held_out": evaluated.report()} if evaluated.tokens else {})}
    write_json(run.path / LENGTHS, report)
    if say is not None:
        for line in fitted.lines():
            say(line)
        for line in evaluated.lines():
            say(f"held out: {line}")


def _watched(config: SftConfig) -> tuple[list[tuple[Sample, LoopInput]], Protocol]:
    """The fixed images to watch and the protocol to play them in: held-out ones of the first source that shows one
    image and has any; none where no source has."""
    asked = [(load_protocol(source.protocol), Path(source.data)) for source in config.mix.values()]
    for protocol, data in asked if config.probe_images else []:
        if "choice" not in protocol.asks and (data / "val.jsonl").is_file():
            samples = spread(load_samples(data, "val"), config.probe_images)
            return list(zip(samples, loop_inputs(data, samples), strict=True)), protocol
    return [], asked[0][0]


def _probe(watched: Sequence[tuple[Sample, LoopInput]], protocol: Protocol, processor: Any) -> Probe:
    """Plays the fixed images."""
    if not watched:
        return lambda _model: []
    inputs = [item for _, item in watched]
    return episode_probe(
        inputs, protocol, lambda trained: LocalPolicy(trained, processor, max_new_tokens=protocol.max_new_tokens)
    )


def _train(trainer: RationaleTrainer, config: SftConfig, out: Path) -> None:
    """To the last step, or to where the held-out loss ends it; then the best weights, where they are wanted."""
    checkpoint = last_checkpoint(out / "checkpoints") if config.resume else None
    over = checkpoint is not None and stopped_early(checkpoint, config.patience)
    train_quietly(trainer, checkpoint=checkpoint, over=over)
    if config.eval_every and config.keep_best:
        last = last_checkpoint(out / "checkpoints")
        assert last is not None  # each evaluation leaves a checkpoint, and the last step has one
        take_best(trainer.model, out, last=Path(last), write=trainer.is_world_process_zero())
