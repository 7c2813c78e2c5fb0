"""A trainer callback that keeps a run folder: numbers at every log, episodes of a few fixed images now and then.

Both training stages use it; what to play is handed in, so that this file knows no loop and no data.
"""

import logging
import math
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import (
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from loupe.core.model.resume import load_weights, steps_done
from loupe.core.runs import RunFolder

Progress = Callable[[int, int], None]
"""Called with the steps that are done and the steps there are in all."""
Probe = Callable[[Any], Iterable[Mapping[str, Any]]]
"""Model → rows about a few fixed images."""


@contextmanager
def quiet_libraries() -> Generator[None]:
    """Without the lines that the training libraries print about their own defaults; errors and our warnings stay."""
    # transformers says it of an argument that TRL itself sets; torch of a machine without a GPU.
    noise = (".*is deprecated and will be removed in v6.*", ".*'pin_memory' argument is set as true.*")
    quietened = [logging.getLogger(name) for name in ("transformers", "trl", "bitsandbytes")]
    levels = [logger.level for logger in quietened]
    bars = transformers_logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        for message in noise:
            warnings.filterwarnings("ignore", message=message)
        for logger in quietened:
            logger.setLevel(logging.ERROR)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            if bars:
                transformers_logging.enable_progress_bar()
            for logger, level in zip(quietened, levels, strict=True):
                logger.setLevel(level)


def train_quietly(trainer: Trainer, *, checkpoint: str | None, over: bool = False) -> None:
    """Train without the libraries' own bars and printed rows: the run folder and our progress bar have it all.

    `checkpoint` is where to go on from; a run that had reached its last step there, or is `over` for another reason,
    gets its weights and no more steps.
    """
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    done = steps_done(Path(checkpoint)) if checkpoint is not None else None
    with quiet_libraries():
        if checkpoint is not None and done is not None and (over or 0 < trainer.args.max_steps <= done):
            load_weights(trainer.model, Path(checkpoint))
            return
        trainer.train(resume_from_checkpoint=checkpoint)


class RunLogCallback(TrainerCallback):
    """Writes `metrics.jsonl` and `episodes.jsonl` of a run folder from the main process."""

    def __init__(self, run: RunFolder, probe: Probe, *, probe_every: int, progress: Progress | None = None) -> None:
        self.run = run
        self.probe = probe
        self.probe_every = probe_every
        self.progress = progress
        self._played = -1

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """One row of all finite numbers that the trainer logged."""
        if state.is_world_process_zero and logs:
            numbers = {key: float(value) for key, value in logs.items() if isinstance(value, int | float)}
            self.run.log(state.global_step, **{key: value for key, value in numbers.items() if math.isfinite(value)})

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Drop what a killed run wrote after its last checkpoint; play the fixed images before the first step."""
        if not state.is_world_process_zero:
            return
        if self.run.resumed:
            # A run that begins again also plays the episodes of step 0 again.
            self.run.rewind(state.global_step or -1)
        if state.global_step == 0:
            self._play(0, model)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Move the progress bar; play the fixed images every so many steps and after the last one."""
        if state.is_world_process_zero and self.progress is not None:
            self.progress(state.global_step, state.max_steps)
        last = state.global_step >= state.max_steps
        if state.is_world_process_zero and (last or state.global_step % self.probe_every == 0):
            self._play(state.global_step, model)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Play the fixed images at every evaluation too."""
        if state.is_world_process_zero:
            self._play(state.global_step, model)

    def _play(self, step: int, model: Any) -> None:
        """The episodes of a step, once."""
        if step != self._played:
            self._played = step
            self.run.append_episodes(step, self.probe(model))
