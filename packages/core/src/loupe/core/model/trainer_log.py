"""A trainer callback that keeps a run folder: numbers at every log, episodes of a few fixed images now and then.

Both training stages use it; what to play is handed in, so that this file knows no loop and no data.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from loupe.core.runs import RunFolder

Probe = Callable[[Any], Iterable[Mapping[str, Any]]]
"""Model → rows about a few fixed images."""


class RunLogCallback(TrainerCallback):
    """Writes `metrics.jsonl` and `episodes.jsonl` of a run folder from the main process."""

    def __init__(self, run: RunFolder, probe: Probe, *, probe_every: int) -> None:
        self.run = run
        self.probe = probe
        self.probe_every = probe_every

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
            self.run.rewind(state.global_step)
        if state.global_step == 0:
            self.run.append_episodes(0, self.probe(model))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        """Play the fixed images every so many steps and after the last one."""
        last = state.global_step >= state.max_steps
        if state.is_world_process_zero and (last or state.global_step % self.probe_every == 0):
            self.run.append_episodes(state.global_step, self.probe(model))
