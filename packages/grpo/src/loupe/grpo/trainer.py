"""TRL's GRPOTrainer with four hooks of our own: how to play, how to reward, what to draw, and what to hold back.

- `_generate` plays whole episodes with the same loop that evaluation uses;
- `_calculate_rewards` scores finished episodes, so that the rank term sees all images of the batch;
- `_get_train_sampler` draws images by progressive re-sampling;
- `_compute_loss` adds the KL-coverage penalty to TRL's own loss.

Everything else (advantages, clipping, old and reference log-probabilities, checkpoints, processes) is TRL 1.16's; these
hooks are not promised by its interface, which is why its version is pinned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from trl.trainer.grpo_trainer import GRPOTrainer

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.resume import Resuming
from loupe.core.protocol import Protocol
from loupe.core.records import Episode, Sample
from loupe.core.runs import RunFolder
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import coverage_penalty, select_tokens
from loupe.grpo.rollout import as_rollouts
from loupe.grpo.sampler import ProgressiveSampler
from loupe.rewards.batch import batch_of
from loupe.rewards.joint import JointReward, RewardTable
from loupe.rewards.terms import TERMS
from loupe.zoom.loop import LoopInput, Played, play


@dataclass(frozen=True)
class Task:
    """What is played: the images of the training split, how to ask, how to reward, and where to write it down."""

    samples: Sequence[Sample]
    inputs: Sequence[LoopInput]
    protocol: Protocol
    config: GrpoConfig
    run: RunFolder


def reward_names() -> list[Any]:
    """Stand-ins for TRL's list of reward functions: it wants their names; `_calculate_rewards` does the work."""

    def named(name: str) -> Any:
        def reward(**_: Any) -> list[float]:
            raise ModelError(f"the reward {name} is computed from whole episodes, never from single completions")

        reward.__name__ = name
        return reward

    return [named(name) for name in TERMS]


class ZoomGRPOTrainer(Resuming, GRPOTrainer):
    """GRPO on zoom episodes. The data set's rows are `{"prompt": …, "index": i}`, i a place in `task.samples`."""

    # TRL fills these in; the types that it gives them are those of before.
    args: Any
    num_generations: int

    def __init__(self, *args: Any, task: Task, **kwargs: Any) -> None:
        # The sampler is asked for while the parent is being built.
        self.task = task
        super().__init__(*args, **kwargs)
        self.encoder = ChatEncoder(self.processing_class)
        # TRL sends images of later turns through the model only for a trainer with tools.
        self.tools = [play]
        self._rows: list[dict[str, Any]] = []
        self._played: list[Played] = []
        self._policy_log_probs: torch.Tensor | None = None

    @property
    def _mode(self) -> str:
        assert self.model is not None
        return "train" if self.model.training else "eval"

    def _get_train_sampler(self, dataset: Any = None) -> ProgressiveSampler:
        arguments = self.args
        passes = self.num_iterations * arguments.steps_per_generation
        updates = arguments.max_steps * arguments.gradient_accumulation_steps
        return ProgressiveSampler(
            [sample.rating for sample in self.task.samples],
            self.task.config.resampling,
            images_per_chunk=arguments.generation_batch_size // self.num_generations,
            generations=self.num_generations,
            passes=passes,
            chunks=-(-updates // passes),
            seed=arguments.seed,
        )

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if self._buffered_inputs is None and self._mode == "train":
            # TRL counts updates from 0 in every process. A run that goes on in the middle of a generation would then
            # regenerate in the middle of each, and train on the images of the one before.
            self._step = self.state.global_step * self.args.gradient_accumulation_steps
        return super()._prepare_inputs(generation_batch)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._rows = inputs
        output = super()._generate_and_score_completions(inputs)
        if "pixel_values" not in output:
            raise ModelError("the images of a rollout were dropped, their number does not match the image tokens")
        return output

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        """Play one episode for each row; the eight values that TRL's own method returns."""
        self._played = self._play()
        batch = as_rollouts(self._played, self.encoder)
        self._count(batch.completion_mask)
        return (
            batch.prompt_ids,
            batch.completion_ids,
            batch.completion_mask,
            batch.texts,
            None,
            {},
            batch.images,
            batch.images,
        )

    def _play(self) -> list[Played]:
        task, step = self.task, self.state.global_step
        policy = LocalPolicy(
            self.accelerator.unwrap_model(self.model),
            self.processing_class,
            max_new_tokens=task.protocol.max_new_tokens,
            temperature=self.temperature,
            batch_size=self.args.per_device_train_batch_size,
        )
        inputs: list[LoopInput] = []
        first = self.accelerator.process_index * len(self._rows)
        for place, row in enumerate(self._rows):
            source = task.inputs[row["index"]]
            key = f"{source.sample_id}#{step}.{first + place}"
            inputs.append(LoopInput(key, source.sample_id, source.image, source.truth))
        return play(policy, inputs, task.protocol, seed=self.args.seed)

    def _count(self, masks: Sequence[Sequence[int]]) -> None:
        """What TRL would have logged about completions, and what only episodes have."""
        figures = {
            "completions/mean_length": np.mean([sum(mask) for mask in masks]),
            "zoom_rate": np.mean([item.episode.zoomed for item in self._played]),
            "unusable": np.mean([item.episode.verdict is None for item in self._played]),
        }
        for name, value in figures.items():
            gathered: Any = self.accelerator.gather(torch.tensor([float(value)], device=self.accelerator.device))
            self._metrics[self._mode][name].append(gathered.mean().item())

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """Reward terms (all completions of all processes, terms)."""
        rows = zip(self._played, inputs, strict=True)
        pairs: Any = gather_object([(item.episode, self.task.samples[row["index"]]) for item, row in rows])
        table = self.score([episode for episode, _ in pairs], [sample for _, sample in pairs])
        if self.accelerator.is_main_process:
            self._write_down([episode for episode, _ in pairs], table)
        columns = np.stack([table.columns[name] for name in TERMS], axis=1)
        return torch.tensor(columns, dtype=torch.float32, device=self.accelerator.device)

    def score(self, episodes: Sequence[Episode], samples: Sequence[Sample]) -> RewardTable:
        """The reward table of whole groups."""
        config = self.task.config
        batch = batch_of(episodes, samples, num_generations=self.num_generations, protocol=self.task.protocol)
        return JointReward(config.rewards, config.reward_options).score(batch)

    def _write_down(self, episodes: Sequence[Episode], table: RewardTable) -> None:
        """What each rollout said and what it earned, so that every reward can be explained."""
        self.task.run.append_rewards(
            self.state.global_step + 1,
            (
                {"image": episode.sample_id, "texts": [turn.text for turn in episode.turns], **table.row(place)}
                for place, episode in enumerate(episodes)
            ),
        )

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        output = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if torch.is_grad_enabled():
            self._policy_log_probs = output[0]
        return output

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss = super()._compute_loss(model, inputs)
        coverage = self.task.config.coverage
        log_probs, self._policy_log_probs = self._policy_log_probs, None
        old = inputs.get("old_per_token_logps")
        if coverage.coefficient == 0 or log_probs is None or old is None:
            return loss
        mask = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
        selected = select_tokens(log_probs, inputs["advantages"], mask, fraction=coverage.fraction)
        penalty = coverage_penalty(log_probs, old, selected)
        self._metrics["train"]["coverage/penalty"].append(penalty.item())
        self._metrics["train"]["coverage/tokens"].append(float(selected.sum()))
        # The same normaliser as TRL's token-level loss, so that the coefficient means the same at any batch size.
        tokens = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes
        share = self.current_gradient_accumulation_steps / self.args.steps_per_generation
        return loss + coverage.coefficient * penalty / (tokens * share)
