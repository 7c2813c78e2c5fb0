"""The held-out loss decides: when a run has stopped getting better, and which of its checkpoints is the best.

Both are read from what the trainer keeps in its own checkpoints, so a run that was killed decides as one that was not.
"""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from loupe.core.errors import MissingFileError
from loupe.core.files import read_json, write_json
from loupe.core.model.resume import STATE, load_weights, steps_done

FILE = "best.json"
LOSS = "eval_loss"


class EarlyStop(TrainerCallback):
    """Ends a run whose held-out loss has not been lower than its best for `patience` evaluations; 0 for never."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Decide after each evaluation."""
        control.should_training_stop |= is_over(state.log_history, self.patience)
        return control


def is_over(history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` held-out losses of a log are all no lower than the lowest before them."""
    losses = [row[LOSS] for row in history if LOSS in row]
    if patience < 1 or len(losses) <= patience:
        return False
    before = min((loss for loss in losses[:-patience] if isfinite(loss)), default=inf)
    return not any(loss < before for loss in losses[-patience:])


def stopped_early(checkpoint: str, patience: int) -> bool:
    """Whether the run of a checkpoint ended with it."""
    return is_over(read_json(Path(checkpoint) / STATE)["log_history"], patience)


def take_best(model: Any, out: Path, *, last: Path, write: bool) -> int:
    """Give the model the weights of the best checkpoint; with `write`, say so in best.json. Returns the best step.

    `last` is the newest checkpoint. Without a finite held-out loss the last weights stay.
    """
    state = read_json(last / STATE)
    losses = {row["step"]: row[LOSS] for row in state["log_history"] if LOSS in row}
    step = state["best_global_step"] or state["global_step"]
    best = last.parent / f"checkpoint-{step}"
    if steps_done(best) is None:
        raise MissingFileError(f"{best} was the best checkpoint and is gone; set keep_best=false to take the last one")
    if best != last:
        load_weights(model, best)
    if write:
        write_json(
            out / FILE,
            {
                "step": step,
                "eval_loss": losses.get(step),
                "last_step": state["global_step"],
                "last_eval_loss": losses.get(state["global_step"]),
            },
        )
    return step
