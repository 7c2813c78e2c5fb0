"""TRL's GRPOTrainer with our own steps between its data loader and its optimizer.

TRL keeps the loop, the data loader, accumulation, the reference, logging and checkpoints. Ours are what it draws
(`sampler`), how it plays (`loupe.zoom.loop`), what it pays (`scoring`), how rollouts go through the model (`packing`)
and what it descends on (`loss`). `_prepare_inputs`, `_compute_loss` and `_get_train_sampler` are not promised by its
interface, which is why its version is pinned. `docs/grpo.md` says what each setting does.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import use_adapter

from loupe.core.errors import ModelError
from loupe.core.files import read_json, write_json
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.fast_vision import speed_up_vision
from loupe.core.model.grouped_attention import use_grouped_attention
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.model.packed import attention_of, base_of, takes_packed
from loupe.core.model.resume import Resuming
from loupe.core.policy import Policy
from loupe.core.records import Episode
from loupe.grpo.advantage import group_advantages, live_groups
from loupe.grpo.disk import room_for
from loupe.grpo.log_probs import log_probs_of
from loupe.grpo.loss import LossInputs, policy_loss
from loupe.grpo.micro_batch import MicroBatch, drawn_log_probs, in_groups, own_tokens
from loupe.grpo.objective import is_on_policy, loss_config, needs_reference, normaliser
from loupe.grpo.packing import joined
from loupe.grpo.rollout import Rollout, as_rollouts
from loupe.grpo.sampler import ProgressiveSampler
from loupe.grpo.scoring import figures, reward_rows
from loupe.grpo.scoring import score as score_episodes
from loupe.grpo.stopwatch import Stopwatch
from loupe.grpo.update_figures import UpdateFigures
from loupe.grpo.vllm_policy import VllmPolicy
from loupe.grpo.window import select
from loupe.grpo.work import Work, sampler_of
from loupe.rewards.joint import JointReward, RewardTable
from loupe.rewards.terms import TERMS
from loupe.zoom.loop import Played, play

_LOG = logging.getLogger(__name__)
SAMPLER_STATE = "sampler.json"
"""The sampler's state in a checkpoint."""


def reward_names() -> list[Any]:
    """Stand-ins for the reward functions that TRL wants to have; rewards are computed from whole episodes."""

    def named(name: str) -> Any:
        def reward(**_: Any) -> list[float]:
            raise ModelError(f"the reward {name} is computed from whole episodes, never from single completions")

        reward.__name__ = name
        return reward

    return [named(name) for name in TERMS]


class ZoomGRPOTrainer(Resuming, GRPOTrainer):
    """GRPO on zoom episodes. The data set's rows are `{"prompt": …, "index": i}`, i a place in `work.rows`."""

    # TRL fills these in; the types that it gives them are those of before.
    args: Any
    num_generations: int

    def __init__(self, *, work: Work, args: Any, **kwargs: Any) -> None:
        # The sampler is asked for while the parent is being built.
        self.work = work
        self.sampler = sampler_of(work, args)
        self.loss_config = loss_config(work.config, args)
        with _asking_for_a_reference(args, needed=needs_reference(self.loss_config)):
            super().__init__(args=args, **kwargs)
        self.beta = args.beta
        reference: Any = self.ref_model
        if reference is not None:
            speed_up_vision(reference)
            use_grouped_attention(reference)
        self.encoder = ChatEncoder(self.processing_class)
        self.reward = JointReward(work.config.rewards, work.config.reward_options)
        self.stopwatch = Stopwatch(self.accelerator.device)
        self._longest_turn = max(row.protocol.max_new_tokens for row in work.rows)
        self._tokens = torch.zeros(())
        self._update = UpdateFigures()
        self._shares_prompts = work.config.share_prompts and takes_packed(self.model)
        if work.config.share_prompts and not self._shares_prompts:
            _LOG.warning("prompts are not shared in training: %s takes no mask of groups", attention_of(self.model))

    # What is drawn, and how a run goes on.

    def _get_train_sampler(self, dataset: Any = None) -> ProgressiveSampler:
        return self.sampler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with room_for(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"):
            super()._save_checkpoint(model, trial)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        if self.args.should_save:
            write_json(Path(output_dir) / SAMPLER_STATE, self.sampler.state_dict())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.sampler.load_state_dict(read_json(Path(resume_from_checkpoint) / SAMPLER_STATE))

    def _prepare_inputs(self, generation_batch: list[dict[str, Any]]) -> MicroBatch:  # pyright: ignore
        """The micro-batch of this step; at the first step of a generation, its rollouts."""
        steps = self.args.steps_per_generation
        if self._buffered_inputs is None:
            # TRL counts steps from 0 in every process, and a run that goes on would generate at the wrong ones.
            self._step = self.state.global_step * self.args.gradient_accumulation_steps
        if self._buffered_inputs is None or self._since_rollout == 0:
            self._buffered_inputs = self._cut(self._roll_out([row["index"] for row in generation_batch]))
        if self._covers and self._chooses_ahead and self._step % self.args.gradient_accumulation_steps == 0:
            self._select()
        return self._buffered_inputs[self._step % steps]

    @property
    def _every(self) -> int:
        """Steps from one generation to the next."""
        return self.args.steps_per_generation * self.num_iterations

    @property
    def _since_rollout(self) -> int:
        return self._step % self._every

    @property
    def _covers(self) -> bool:
        return self.loss_config.coverage.coefficient > 0

    @property
    def _chooses_ahead(self) -> bool:
        """Whether coverage has to look at micro-batches whose turn has not come; a single one waits for its own."""
        return self.loss_config.coverage.scope == "optimizer_batch" and self.args.gradient_accumulation_steps > 1

    @property
    def _chunk(self) -> int:
        """Number of the chunk of images that is played now."""
        return self._step // self._every

    # Rollouts.

    def _roll_out(self, indices: Sequence[int]) -> MicroBatch:
        """Play, reward and prepare one generation batch of this process; the statistics are those of all processes."""
        with self.stopwatch.time("sampling"):
            played = self._play(indices)
        first = self.accelerator.process_index * len(indices)
        rollouts = as_rollouts(played, self.encoder, first=first)
        with self.stopwatch.time("rewards"):
            table = self._reward(played, indices)
        totals = torch.as_tensor(table.total)
        advantages = group_advantages(totals, self.num_generations, scale=self.args.scale_rewards).float()
        alive = live_groups(totals, self.num_generations).repeat_interleave(self.num_generations)
        self._note({"frac_reward_zero_std": 1 - alive.float().mean().item()})
        mine, device = slice(first, first + len(indices)), self.accelerator.device
        return MicroBatch(
            rollouts,
            advantages[mine].to(device),
            alive[mine].to(device),
            own_tokens(rollouts, device=device),
            self._old_log_probs(rollouts),
            self._reference_log_probs(rollouts),
        )

    def _cut(self, batch: MicroBatch) -> list[MicroBatch]:
        """The micro-batches of a generation; the samples of a prompt stay together as far as they fit."""
        generator = torch.Generator().manual_seed(self.args.seed * 1_000_003 + self._chunk)
        order = in_groups(batch.rollouts, generator=generator)
        size = len(order) // self.args.steps_per_generation
        tokens: Any = self.accelerator.reduce(batch.mask.sum().float(), reduction="sum")
        self._tokens = tokens
        return [batch.take(order[start : start + size]) for start in range(0, len(order), size)]

    def _play(self, indices: Sequence[int]) -> list[Played]:
        """An episode for each row; rows that repeat share one image."""
        opened = {index: self.work.rows[index].open(self.work.data) for index in dict.fromkeys(indices)}
        first = self.accelerator.process_index * len(indices)
        inputs = [
            replace(opened[index], key=f"{opened[index].sample_id}#{self._chunk}.{first + place}")
            for place, index in enumerate(indices)
        ]
        policy = self._policy()
        played = play(policy, inputs, self.work.rows[0].protocol, seed=self.args.seed)
        if isinstance(policy, VllmPolicy):
            policy.join_the_others()
        return played

    def _policy(self) -> Policy:
        if self.use_vllm:
            if self.state.global_step != self._last_loaded_step:
                self.vllm_generation.sync_weights()
                self._last_loaded_step = self.state.global_step
            served = self.args.vllm_mode == "server" or self.args.vllm_tensor_parallel_size > 1
            return VllmPolicy(
                self.vllm_generation, self.encoder, colocated=self.args.vllm_mode == "colocate", shared=served
            )
        return LocalPolicy(
            self.accelerator.unwrap_model(self.model),
            self.processing_class,
            max_new_tokens=self._longest_turn,
            sampling=self.work.config.sampling,
            batch_size=self.args.per_device_train_batch_size * self.args.steps_per_generation,
            encoder=self.encoder,
        )

    def _reward(self, played: Sequence[Played], indices: Sequence[int]) -> RewardTable:
        """What the rollouts of all processes earned; the sampler learns from it, and the run folder keeps it."""
        mine = [(item.episode, index) for item, index in zip(played, indices, strict=True)]
        pairs: list[tuple[Episode, int]] = gather_object(mine)
        episodes, rows = [episode for episode, _ in pairs], [self.work.rows[index] for _, index in pairs]
        table = score_episodes(episodes, rows, self.reward, num_generations=self.num_generations)
        self.sampler.learn(self._chunk, table.total.reshape(-1, self.num_generations))
        self._note(figures(episodes, rows, table, num_generations=self.num_generations) | self.sampler.metrics())
        if self.accelerator.is_main_process:
            self.work.run.append_rewards(self.state.global_step + 1, reward_rows(episodes, rows, table))
            self.work.run.append_draw(self.state.global_step + 1, self.sampler.draw_row(self._chunk))
        return table

    # Log-probabilities.

    def _log_probs(
        self, model: Any, rollouts: Sequence[Rollout], *, entropy: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probabilities (B, C) of rollouts, and entropies where asked for; C is that of the longest one."""
        with self.accelerator.autocast():
            return log_probs_of(
                model,
                rollouts,
                inner=self.accelerator.unwrap_model(model),
                pad_id=self.encoder.tokenizer.pad_token_id,
                shared=self._shares_prompts,
                at_once=self.accelerator.num_processes > 1,
                entropy=entropy,
            )

    @torch.no_grad()
    def _judged(self, model: Any, rollouts: Sequence[Rollout]) -> torch.Tensor:
        """The same without gradient, in pieces of a micro-batch."""
        size = self.args.per_device_train_batch_size
        return joined([self._log_probs(model, rollouts[at : at + size])[0] for at in range(0, len(rollouts), size)])

    def _old_log_probs(self, rollouts: Sequence[Rollout]) -> torch.Tensor:
        """Those of the policy that sampled: as they were drawn, or computed again where those are not to be had or are
        too coarse for a ratio that should begin at 1."""
        known = all(item.log_probs is not None for item in rollouts)
        coarse = self.accelerator.mixed_precision != "no" or base_of(self.model).dtype != torch.float32
        wanted = not is_on_policy(self.args) or self._covers
        if wanted and (coarse or not known):
            with self.stopwatch.time("old"):
                return self._judged(self.model, rollouts)
        return drawn_log_probs(rollouts, device=self.accelerator.device)

    def _reference_log_probs(self, rollouts: Sequence[Rollout]) -> torch.Tensor | None:
        """Those of the frozen reference: a second model, a frozen copy of the adapter, or the model without adapter."""
        if not needs_reference(self.loss_config):
            return None
        with self.stopwatch.time("reference"):
            if self.ref_model is not None:
                return self._judged(self.ref_model, rollouts)
            model: Any = self.accelerator.unwrap_model(self.model)
            with use_adapter(model, "ref" if "ref" in model.peft_config else None):
                return self._judged(self.model, rollouts)

    # The loss.

    def _select(self) -> None:
        """Let coverage choose among all micro-batches of the update that begins now, in all processes."""
        steps, window = self.args.steps_per_generation, self.args.gradient_accumulation_steps
        places = range(self._step % steps, self._step % steps + window)
        batches = [self._buffered_inputs[place] for place in places]
        if self._since_rollout < window:
            # Nothing was learnt since these were drawn.
            log_probs = [batch.old_log_probs for batch in batches]
        else:
            with self.stopwatch.time("selection"):
                log_probs = [batch.wide(self._judged(self.model, batch.rollouts)) for batch in batches]
        for place, batch in zip(places, self._chosen(batches, log_probs), strict=True):
            self._buffered_inputs[place] = batch

    def _chosen(self, batches: Sequence[MicroBatch], log_probs: Sequence[torch.Tensor]) -> list[MicroBatch]:
        alone = self.loss_config.coverage.scope == "microbatch"
        # A whole update is the same however it is cut, so its draw may not hang on the number of steps.
        place = (self._step, self.accelerator.process_index) if alone else (self.state.global_step,)
        seed = (self.args.seed, *place)
        return select(batches, log_probs, self.loss_config, seed=seed, accelerator=None if alone else self.accelerator)

    def _compute_loss(self, model: Any, inputs: MicroBatch) -> torch.Tensor:
        rows = inputs.forward_rows(dead=self.loss_config.beta > 0)
        with self.stopwatch.time("policy"):
            log_probs, entropies = self._log_probs(model, [inputs.rollouts[row] for row in rows], entropy=True)
        if self._covers and inputs.selected is None:
            (inputs,) = self._chosen([inputs], [inputs.seen(rows, log_probs)])
        batch = inputs.take(rows).cut(log_probs.shape[1])
        outputs = policy_loss(
            LossInputs(
                log_probs,
                None if is_on_policy(self.args) else batch.old_log_probs,
                batch.advantages,
                batch.mask,
                reference_log_probs=batch.reference_log_probs,
                selected=batch.selected,
                entropies=entropies,
                normaliser=normaliser(
                    self.args,
                    tokens=self._tokens,
                    own=int(inputs.mask.sum()),
                    rows=len(inputs.rollouts),
                    accumulation=self.current_gradient_accumulation_steps,
                    processes=self.accelerator.num_processes,
                ),
                covariances=batch.covariances,
            ),
            self.loss_config,
        )
        self._update.add(outputs.metrics, batch)
        if self.accelerator.sync_gradients:
            self._note(self._update.complete(self.accelerator))
        return outputs.loss

    # Figures.

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """One forward and backward pass; what it took goes to the log."""
        started = self.stopwatch.now()
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._note(self.stopwatch.split(started))
        return loss

    def _note(self, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._metrics["train"][name].append(value)


@contextmanager
def _asking_for_a_reference(arguments: Any, *, needed: bool) -> Iterator[None]:
    """TRL prepares a reference where beta is not 0; coverage may need one where it is."""
    beta = arguments.beta
    arguments.beta = beta or float(needed)
    try:
        yield
    finally:
        arguments.beta = beta
