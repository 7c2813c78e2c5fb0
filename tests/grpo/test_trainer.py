"""The hooks into TRL: what is played is what is scored, rewarded and learnt from.

Episodes are scripted here, so that some look twice, some once, and some say nothing that can be used.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loupe.core.errors import ModelError
from loupe.core.files import read_jsonl
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.policy import Conversation
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.scoring import score
from loupe.grpo.train import run_grpo
from loupe.grpo.trainer import ZoomGRPOTrainer, reward_names
from loupe.rewards.settings import RewardWeights
from loupe.rewards.terms import TERMS

Scripted = Callable[..., Any]
FORMAT_ALONE = RewardWeights(format=1, score=0, degradation=0, rank=0, comparison=0)


def own_log_probs(model: Any, encoder: ChatEncoder, conversation: Conversation) -> tuple[list[int], torch.Tensor]:
    """Ids of one conversation after its prompt, and their log-probabilities: one row, no padding."""
    encoded = encoder.encode(conversation)
    start = encoded.wrote.index(True)
    with torch.no_grad():
        logits = model(**encoder.collate([encoded])).logits[0]
    ids = encoded.input_ids[start:]
    log_probs = torch.log_softmax(logits[start - 1 : -1], dim=-1)
    return ids, log_probs[torch.arange(len(ids)), torch.tensor(ids)]


def test_log_probs_of_a_rollout_are_those_of_a_forward_pass_of_one_row(
    scripted: Scripted, small_run: Callable[..., Any], tmp_path: Path
) -> None:
    # Two updates a generation, so that the log-probabilities of the policy that sampled are wanted.
    trainer = scripted(trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 1})
    (batch,), (played,) = trainer.batches, trainer.played
    model, processor = load_model(small_run(tmp_path).model)
    assert len(played) == 8
    assert {len(item.episode.turns) for item in played} == {1, 2}
    for row, item in enumerate(played):
        ids, expected = own_log_probs(model, ChatEncoder(processor), item.conversations[0])
        rollout = batch.rollouts[row]
        assert rollout.completion.input_ids == ids
        own = torch.tensor(rollout.completion.wrote)
        torch.testing.assert_close(batch.old_log_probs[row, : len(ids)], expected * own, rtol=0, atol=1e-5)


def test_both_segments_of_an_episode_share_one_advantage_and_have_their_own_tokens_and_log_probs(
    scripted: Scripted, small_run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "apart.yaml").write_text(
        "base: zoom-brief\nname: apart\nlayout: segments\nfinal_question: 'All: {image} A part: {crop} The verdict.'\n"
    )
    trainer = scripted(
        protocol=str(tmp_path / "apart.yaml"),
        trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 1},
    )
    (batch,), (played,) = trainer.batches, trainer.played
    model, processor = load_model(small_run(tmp_path).model)
    assert {len(item.conversations) for item in played} == {1, 2}
    assert batch.advantages.shape == (8,) and batch.mask.shape[0] == 8
    for row, item in enumerate(played):
        alone = [own_log_probs(model, ChatEncoder(processor), talk) for talk in item.conversations]
        expected = torch.cat([log_probs for _, log_probs in alone])
        # Every token of a completion is the agent's own here, in both segments.
        assert batch.mask[row].nonzero().flatten().tolist() == list(range(len(expected)))
        torch.testing.assert_close(batch.old_log_probs[row, : len(expected)], expected, rtol=0, atol=1e-5)
    assert trainer.gradients


def test_log_probs_of_the_draw_are_those_of_the_model_that_drew(tmp_path: Path, small_run: Callable[..., Any]) -> None:
    drawn, judged = [], []
    original = ZoomGRPOTrainer._roll_out

    def both(self: ZoomGRPOTrainer, indices: Any) -> Any:
        batch = original(self, indices)
        drawn.append(batch.old_log_probs)
        judged.append(self._judged(self.model, batch.rollouts))
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZoomGRPOTrainer, "_roll_out", both)
        trainer = {"max_steps": 1, "num_iterations": 2, "save_strategy": "no", "report_to": "none"}
        run_grpo(small_run(tmp_path, probe_images=0, trainer=trainer))
    assert drawn[0].min() < -0.5
    torch.testing.assert_close(drawn[0], judged[0], rtol=0, atol=1e-4)


def test_loss_falls_on_what_the_agent_wrote_alone(scripted: Scripted) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    (batch,), (played,) = trainer.batches, trainer.played
    for row, item in enumerate(played):
        encoded = trainer.encoder.encode(item.conversations[0])
        wrote = encoded.wrote[encoded.wrote.index(True) :]
        assert batch.mask[row, : len(wrote)].tolist() == wrote
        assert int(batch.mask[row].sum()) == sum(wrote) == batch.rollouts[row].tokens
    assert int(trainer._tokens) == int(batch.mask.sum())


def test_advantages_are_worked_by_hand_for_a_group(scripted: Scripted) -> None:
    # Format alone: three of the four are in the asked form. Mean 3/4, standard deviation (n - 1) 1/2.
    trainer = scripted(rewards=FORMAT_ALONE, trainer={"max_steps": 1})
    expected = [0.25 / 0.5001, 0.25 / 0.5001, -0.75 / 0.5001, 0.25 / 0.5001] * 2
    assert trainer.batches[0].advantages.tolist() == pytest.approx(expected, abs=1e-6)
    assert trainer.batches[0].alive.all()


def test_every_reward_term_is_logged_with_what_only_episodes_have(scripted: Scripted) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    logged, (played,) = trainer.state.log_history[0], trainer.played
    assert {f"rewards/{name}/mean" for name in TERMS} <= set(logged)
    assert logged["rewards/format/mean"] == pytest.approx(0.75)
    assert logged["zoom_rate"] == pytest.approx(0.5)
    assert logged["unusable"] == pytest.approx(0.25)
    assert logged["frac_reward_zero_std"] == 0
    assert logged["completions/mean_length"] == pytest.approx(trainer.batches[0].mask.sum(1).float().mean().item())
    # Scripts say 2, 4, nothing and 4: a deviation (n - 1) of 2 / sqrt(3) for each image.
    assert logged["rating_spread"] == pytest.approx(2 / np.sqrt(3))
    episodes, rows = [item.episode for item in played], {row.id: row for row in trainer.work.rows}
    table = score(episodes, [rows[item.sample_id] for item in episodes], trainer.reward, num_generations=4)
    assert logged["reward"] == pytest.approx(table.total.mean(), abs=1e-6)
    assert logged["reward_std"] == pytest.approx(table.total.std(ddof=1), abs=1e-6)


def test_the_parts_of_a_step_are_timed_and_none_contains_another(scripted: Scripted) -> None:
    trainer = scripted(coverage=CoverageConfig(1.0, target="reference"), trainer={"max_steps": 1})
    logged = trainer.state.log_history[0]
    parts = {name.removeprefix("seconds/"): value for name, value in logged.items() if name.startswith("seconds/")}
    assert set(parts) == {"sampling", "rewards", "old", "reference", "policy", "backward"}
    assert min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(logged["step_time"], rel=0.05)


def test_the_log_explains_the_reward_of_every_rollout(scripted: Scripted) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    rows = read_jsonl(trainer.work.run.path / "rewards.jsonl")
    assert [row["image"] for row in rows] == [item.episode.sample_id for item in trainer.played[0]]
    for row, item in zip(rows, trainer.played[0], strict=True):
        assert row["texts"] == [turn.text for turn in item.episode.turns]
        assert row["comparison"] is None
        weighted = [getattr(trainer.work.config.rewards, name) * (row[name] or 0.0) for name in TERMS]
        assert row["total"] == pytest.approx(sum(weighted))
    assert {row["step"] for row in rows} == {1}
    (draw,) = read_jsonl(trainer.work.run.path / "draws.jsonl")
    assert (draw["step"], draw["chunk"]) == (1, 0)
    assert sum(map(sum, draw["counts"].values())) == 2
    assert sum(map(sum, draw["data"].values())) == len(trainer.work.rows)


def test_a_step_makes_the_better_episodes_likelier(
    scripted: Scripted, small_run: Callable[..., Any], tmp_path: Path
) -> None:
    trainer = scripted(rewards=FORMAT_ALONE, limit=2, trainer={"max_steps": 3})
    before, processor = load_model(small_run(tmp_path).model)
    after = trainer.model
    after.eval()
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    encoder = ChatEncoder(processor)
    gains = []
    for item, rollout in zip(trainer.played[0][:4], trainer.batches[0].rollouts, strict=False):
        own = torch.tensor(rollout.completion.wrote)
        old, new = (own_log_probs(model, encoder, item.conversations[0])[1][own].mean() for model in (before, after))
        gains.append(float(new - old))
    assert min(gains[0], gains[1], gains[3]) > gains[2]


def test_the_penalty_is_zero_at_the_first_update_and_then_holds_back(scripted: Scripted) -> None:
    trainer = scripted(
        coverage=CoverageConfig(coefficient=3.0, fraction=0.1),
        trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 2},
    )
    first, second = trainer.state.log_history[:2]
    # The log-probabilities of another forward pass, of the same weights.
    assert first["coverage/kl_selected"] == pytest.approx(0, abs=1e-5)
    assert second["coverage/kl_selected"] > 1e-3
    for number, row in enumerate((first, second)):
        tokens = sum(trainer.batches[0].rollouts[place].tokens for place in trainer.chosen[number][1])
        assert row["coverage/tokens"] == max(1, int(0.1 * tokens))


def test_samples_of_a_prompt_stay_together_where_a_generation_is_cut(scripted: Scripted) -> None:
    trainer = scripted(trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 1})
    cut = trainer._buffered_inputs
    assert [len({id(item.prompt) for item in batch.rollouts}) for batch in cut] == [1, 1]
    assert sorted(item.number for batch in cut for item in batch.rollouts) == list(range(8))


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_prompt_goes_through_the_model_once_a_group(scripted: Scripted, shared: bool) -> None:
    seen: list[tuple[int, int]] = []
    original = ZoomGRPOTrainer.training_step

    def watched(self: ZoomGRPOTrainer, model: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        def note(module: Any, positional: Any, named: dict[str, Any]) -> None:
            seen.append((named["input_ids"].numel(), len(named["image_grid_thw"])))

        hook = model.register_forward_pre_hook(note, with_kwargs=True)
        try:
            return original(self, model, *args, **kwargs)
        finally:
            hook.remove()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ZoomGRPOTrainer, "training_step", watched)
        trainer = scripted(share_prompts=shared, trainer={"max_steps": 1})
    rollouts = trainer.batches[0].rollouts
    prompts, completions = (
        [len(part.input_ids) for part in parts]
        for parts in ([item.prompt.encoded for item in rollouts], [item.completion for item in rollouts])
    )
    # Crops: two of four samples; the two groups are alike, so that nothing is padded where prompts are shared.
    once = 2 * (prompts[0] - 1 + sum(completions[:4]))
    each = 8 * (prompts[0] - 1 + max(completions))
    assert seen == [(once, 2 + 4) if shared else (each, 8 + 4)]
    assert len(set(prompts)) == 1


def test_sharing_prompts_changes_no_gradient(scripted: Scripted) -> None:
    plain, shared = (scripted(str(way), share_prompts=way, trainer={"max_steps": 1}) for way in (False, True))
    largest = max(grad.abs().max() for grad in plain.gradients[0].values())
    for name, grad in plain.gradients[0].items():
        torch.testing.assert_close(shared.gradients[0][name], grad, rtol=1e-4, atol=1e-5 * float(largest))


def test_a_full_model_is_held_to_a_second_one_that_stays_as_it_was(
    scripted: Scripted, small_run: Callable[..., Any], tmp_path: Path
) -> None:
    trainer = scripted(trainer={"max_steps": 2, "beta": 0.1})
    start, _ = load_model(small_run(tmp_path).model)
    policy, reference = trainer.model.state_dict(), trainer.ref_model.state_dict()
    assert all(torch.equal(value, reference[name]) for name, value in start.state_dict().items())
    assert any(not torch.equal(value, reference[name]) for name, value in policy.items())
    first, second = trainer.state.log_history[:2]
    assert first["kl"] == pytest.approx(0, abs=1e-6) and second["kl"] > 1e-4
    assert torch.equal(trainer.batches[0].reference_log_probs != 0, trainer.batches[0].mask)


LORA = LoraSettings(enabled=True, rank=4)


@pytest.mark.parametrize("by", ["beta", "coverage"])
def test_a_new_adapter_is_held_to_the_model_without_it(
    scripted: Scripted, taught_folder: Path, small_run: Callable[..., Any], tmp_path: Path, by: str
) -> None:
    held = {"coverage": CoverageConfig(1.0, target="reference")} if by == "coverage" else {}
    start = ModelConfig(path=str(taught_folder), lora=LORA, device="cpu")
    steps = {"max_steps": 2, "learning_rate": 1e-2, "beta": 0.1 if by == "beta" else 0.0}
    trainer = scripted(model=start, **held, trainer=steps)
    assert trainer.ref_model is None
    assert trainer.beta == trainer.args.beta == steps["beta"]
    model, processor = load_model(small_run(tmp_path).model)
    _, batch = trainer.batches
    assert not torch.allclose(batch.reference_log_probs, trainer._judged(trainer.model, batch.rollouts), atol=1e-3)
    trainer.model.delete_adapter("ref")
    without = trainer._reference_log_probs(batch.rollouts)
    for row, item in enumerate(trainer.played[1]):
        _, expected = own_log_probs(model, ChatEncoder(processor), item.conversations[0])
        own = torch.tensor(batch.rollouts[row].completion.wrote)
        for reference in (batch.reference_log_probs, without):
            torch.testing.assert_close(reference[row, : len(own)], expected * own, rtol=0, atol=1e-5)


def test_an_adapter_of_sft_is_held_to_a_frozen_copy_of_itself(
    scripted: Scripted, taught_folder: Path, tmp_path: Path
) -> None:
    start = ModelConfig(path=str(taught_folder), lora=LORA, device="cpu")
    first = scripted("first", model=start, trainer={"max_steps": 1, "learning_rate": 1e-2})
    folder = first.work.run.path / "model"
    before, processor = load_model(ModelConfig(path=str(folder), device="cpu"))
    trainer = scripted(
        "second",
        model=ModelConfig(path=str(folder), device="cpu"),
        trainer={"max_steps": 2, "beta": 0.1, "learning_rate": 1e-2},
    )
    assert trainer.ref_model is None and sorted(trainer.model.peft_config) == ["default", "ref"]
    parts = dict(trainer.model.named_parameters())
    copies = {name: item for name, item in parts.items() if ".ref." in name}
    saved = dict(before.named_parameters())
    assert copies and not any(item.requires_grad for item in copies.values())
    for name, item in copies.items():
        assert torch.equal(item, saved[name.replace(".ref.", ".default.")])
        assert not torch.equal(item, parts[name.replace(".ref.", ".default.")]) or "lora_A" in name
    encoder, batch = ChatEncoder(processor), trainer.batches[1]
    _, expected = own_log_probs(before, encoder, trainer.played[1][0].conversations[0])
    own = torch.tensor(batch.rollouts[0].completion.wrote)
    torch.testing.assert_close(batch.reference_log_probs[0, : len(own)], expected * own, rtol=0, atol=1e-5)


def test_a_stand_in_for_a_reward_says_that_it_is_one() -> None:
    assert [reward.__name__ for reward in reward_names()] == list(TERMS)
    with pytest.raises(ModelError, match="format is computed from whole episodes"):
        reward_names()[0](prompts=[], completions=[])
