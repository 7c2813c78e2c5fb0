"""TRL's SFTTrainer, which goes on from a checkpoint with its weights, takes rows, and logs by look and by field."""

from typing import Any

import torch
from transformers.trainer_utils import EvalLoopOutput
from trl.trainer.sft_trainer import SFTTrainer

from loupe.core.model.resume import Resuming
from loupe.sft.figures import Figures
from loupe.sft.one_row import LENGTHS, model_inputs


class RationaleTrainer(Resuming, SFTTrainer):
    """`rounds` is the most looks that an example has."""

    model: Any
    accelerator: Any

    def __init__(self, *args: Any, rounds: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.figures = {mode: Figures(rounds) for mode in ("train", "eval")}
        self._scored: Any = None
        self.model.register_forward_hook(self._keep)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss; what its output layer found is counted on the way."""
        inputs = dict(inputs)
        rounds, fields, tokens = inputs.pop("rounds"), inputs.pop("fields"), self._total_train_tokens
        packed = LENGTHS in inputs
        if packed:
            inputs = model_inputs(self.model, inputs)
        try:
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self.figures[self._mode].add(self._scored, rounds, fields)
        finally:
            self._scored = None
        if packed and self.model.training:
            # TRL counts the ones of an attention mask, and a row has none.
            seen = self.accelerator.gather(torch.tensor(rounds.numel(), device=rounds.device)).sum().item()
            self._total_train_tokens = tokens + int(seen)
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        return loss

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> EvalLoopOutput:
        """The library's, with losses weighted by tokens and not by batches."""
        self.figures["eval"].clear()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        found = self.figures["eval"].means(self._sum)
        metrics = {**(output.metrics or {}), **{f"{metric_key_prefix}_{name}": value for name, value in found.items()}}
        return output._replace(metrics=metrics)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the figures of the steps since the last line of training."""
        if "loss" in logs:
            found = self.figures["train"].means(self._sum)
            self.figures["train"].clear()
            # The library's own loss stays: it is what the optimizer saw.
            logs = {**found, **logs}
        super().log(logs, start_time)

    @property
    def _mode(self) -> str:
        return "train" if self.model.training else "eval"

    def _sum(self, values: torch.Tensor) -> torch.Tensor:
        if self.accelerator.num_processes == 1:
            return values
        return self.accelerator.reduce(values.to(self.accelerator.device), reduction="sum").cpu()

    def _keep(self, _module: Any, _inputs: Any, output: Any) -> None:
        if getattr(output, "is_top1", None) is not None:
            self._scored = output
