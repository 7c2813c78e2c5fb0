"""The hooks into TRL: what is played is what is scored, rewarded and learnt from.

Episodes are scripted here, so that some look twice, some once, and some say nothing that can be used.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.core.errors import ModelError
from loupe.core.files import read_jsonl
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import load_model
from loupe.core.policy import Conversation
from loupe.core.protocol import load_protocol
from loupe.core.runs import RunFolder
from loupe.data.store import load_samples
from loupe.grpo.config import GrpoConfig
from loupe.grpo.coverage import CoverageConfig, coverage_penalty, select_tokens
from loupe.grpo.rollout import as_rollouts
from loupe.grpo.train import _rows, trainer_arguments
from loupe.grpo.trainer import Task, ZoomGRPOTrainer, reward_names
from loupe.rewards.settings import RewardWeights
from loupe.rewards.terms import TERMS
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.loop import LoopInput, Played, play
from loupe.zoom.scripted import ScriptedPolicy

Make = Callable[..., GrpoConfig]
BOX = '"bbox_2d": [0.5, 0.0, 1.0, 0.5]'
LABELS = f'"distortion_class": "blur", "severity": "slight", {BOX}'
ASK = f'<think>I need a closer look.</think><answer>{{{LABELS}, "rating": 3.0, "tool": "crop"}}</answer>'
END = f'<think>It is blur.</think><answer>{{{LABELS}, "rating": 2.0, "tool": "final"}}</answer>'
SHORT = f'<think>So.</think><answer>{{{LABELS}, "rating": 4.0, "tool": "final"}}</answer>'
SCRIPTS = ([ASK, END], [SHORT], ["Nothing that can be used."], [ASK, SHORT])
"""Of each group of four: two in the asked form with a crop, one without, one of no form at all."""


class ScriptedTrainer(ZoomGRPOTrainer):
    """Plays the scripts instead of the model, and keeps what passes through the hooks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.scored: list[list[Played]] = []
        self.losses: list[tuple[float, float, float]] = []
        super().__init__(*args, **kwargs)

    def _play(self) -> list[Played]:
        inputs = []
        for place, row in enumerate(self._rows):
            source = self.task.inputs[row["index"]]
            inputs.append(LoopInput(str(place), source.sample_id, source.image, source.truth))
        scripts = {str(place): SCRIPTS[place % 4] for place in range(len(inputs))}
        self.scored.append(play(ScriptedPolicy(scripts), inputs, self.task.protocol))
        return self.scored[-1]

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.outputs.append(super()._generate_and_score_completions(inputs))
        return self.outputs[-1]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The loss; beside it the loss without the penalty, and the penalty as its formula says."""
        loss, coverage = super()._compute_loss(model, inputs), self.task.config.coverage
        if coverage.coefficient:
            self.task.config.coverage = CoverageConfig(0.0)
            bare = super()._compute_loss(model, inputs)
            self.task.config.coverage = coverage
            self.losses.append((loss.item(), bare.item(), self._penalty(model, inputs)))
        return loss

    def _penalty(self, model: Any, inputs: dict[str, Any]) -> float:
        names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
        with torch.no_grad():
            log_probs = self._get_per_token_logps_and_entropies(
                model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].shape[1],
                **{name: inputs[name] for name in names},
            )[0]
        mask = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
        chosen = select_tokens(log_probs, inputs["advantages"], mask, fraction=self.task.config.coverage.fraction)
        return coverage_penalty(log_probs, inputs["old_per_token_logps"], chosen).item()


@pytest.fixture
def scripted(synthetic_folder: Path, small_run: Make, tmp_path: Path) -> Callable[..., ScriptedTrainer]:
    def make(**fields: Any) -> ScriptedTrainer:
        config = small_run(tmp_path / "run", **fields)
        config.trainer |= {"report_to": "none", "save_strategy": "no", "disable_tqdm": True}
        samples = load_samples(synthetic_folder, "train")[: config.limit]
        model, processor = load_model(config.model, train=True)
        return ScriptedTrainer(
            model=model,
            args=trainer_arguments(config, tmp_path / "run"),
            processing_class=processor,
            reward_funcs=reward_names(),
            train_dataset=_rows(len(samples)),
            task=Task(
                samples,
                loop_inputs(synthetic_folder, samples),
                load_protocol(config.protocol),
                config,
                RunFolder(tmp_path / "run"),
            ),
        )

    return make


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
    scripted: Callable[..., ScriptedTrainer], small_run: Make, tmp_path: Path
) -> None:
    # Two updates a generation, so that TRL computes the log-probabilities of the policy that sampled.
    trainer = scripted(trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 1})
    trainer.train()
    (output,), (played,) = trainer.outputs, trainer.scored
    model, processor = load_model(small_run(tmp_path).model)
    assert len(played) == 8
    assert {len(item.episode.turns) for item in played} == {1, 2}
    for row, item in enumerate(played):
        ids, expected = own_log_probs(model, ChatEncoder(processor), item.conversation)
        assert output["completion_ids"][row, : len(ids)].tolist() == ids
        assert int(output["completion_mask"][row].sum()) == len(ids)
        torch.testing.assert_close(output["old_per_token_logps"][row, : len(ids)], expected, rtol=0, atol=1e-4)


def test_loss_falls_on_what_the_agent_wrote_alone(scripted: Callable[..., ScriptedTrainer]) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    trainer.train()
    (output,), (played,) = trainer.outputs, trainer.scored
    expected = as_rollouts(played, trainer.encoder)
    for row, mask in enumerate(expected.completion_mask):
        loss_mask = output["completion_mask"][row] * output["tool_mask"][row]
        assert loss_mask.tolist()[: len(mask)] == mask
        assert int(loss_mask.sum()) == sum(mask)
    assert int(output["num_items_in_batch"]) == sum(map(sum, expected.completion_mask))
    assert output["num_images"] == [len(images) for images in expected.images]


def test_advantages_are_worked_by_hand_for_a_group(scripted: Callable[..., ScriptedTrainer]) -> None:
    # Format alone: three of the four are in the asked form. Mean 3/4, standard deviation (n - 1) 1/2.
    trainer = scripted(rewards=RewardWeights(format=1, score=0, degradation=0, rank=0), trainer={"max_steps": 1})
    trainer.train()
    expected = [0.25 / 0.5001, 0.25 / 0.5001, -0.75 / 0.5001, 0.25 / 0.5001] * 2
    assert trainer.outputs[0]["advantages"].tolist() == pytest.approx(expected, abs=1e-5)


def test_every_reward_term_is_logged_with_what_only_episodes_have(scripted: Callable[..., ScriptedTrainer]) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    trainer.train()
    logged = trainer.state.log_history[0]
    assert {f"rewards/{name}/mean" for name in TERMS} <= set(logged)
    assert logged["rewards/format/mean"] == pytest.approx(0.75)
    assert logged["zoom_rate"] == pytest.approx(0.5)
    assert logged["unusable"] == pytest.approx(0.25)
    expected = as_rollouts(trainer.scored[0], trainer.encoder).completion_mask
    assert logged["completions/mean_length"] == pytest.approx(np.mean([sum(mask) for mask in expected]))
    table = trainer.score(
        [item.episode for item in trainer.scored[0]],
        [next(s for s in trainer.task.samples if s.id == item.episode.sample_id) for item in trainer.scored[0]],
    )
    assert logged["reward"] == pytest.approx(table.total.mean(), abs=1e-5)


def test_the_log_explains_the_reward_of_every_rollout(scripted: Callable[..., ScriptedTrainer]) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    trainer.train()
    rows = read_jsonl(trainer.task.run.path / "rewards.jsonl")
    assert [row["image"] for row in rows] == [item.episode.sample_id for item in trainer.scored[0]]
    for row, item in zip(rows, trainer.scored[0], strict=True):
        assert row["texts"] == [turn.text for turn in item.episode.turns]
        assert row["comparison"] is None
        weighted = [getattr(trainer.task.config.rewards, name) * (row[name] or 0.0) for name in TERMS]
        assert row["total"] == pytest.approx(sum(weighted))
    assert {row["step"] for row in rows} == {1}


def test_a_step_makes_the_better_episodes_likelier(
    scripted: Callable[..., ScriptedTrainer], small_run: Make, tmp_path: Path
) -> None:
    weights = RewardWeights(format=1, score=0, degradation=0, rank=0)
    trainer = scripted(rewards=weights, limit=2, trainer={"max_steps": 3})
    trainer.train()
    before, processor = load_model(small_run(tmp_path).model)
    after = trainer.model
    assert after is not None
    after.eval()
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    encoder = ChatEncoder(processor)
    gains = []
    for item in trainer.scored[0][:4]:
        own = [int(wrote) for wrote in encoder.encode(item.conversation).wrote]
        mask = torch.tensor(own[own.index(1) :]).bool()
        old, new = (own_log_probs(model, encoder, item.conversation)[1][mask].mean() for model in (before, after))
        gains.append(float(new - old))
    assert min(gains[0], gains[1], gains[3]) > gains[2]


def test_the_penalty_is_zero_at_the_first_update_and_then_holds_back(scripted: Callable[..., ScriptedTrainer]) -> None:
    trainer = scripted(
        coverage=CoverageConfig(coefficient=3.0, fraction=0.1),
        trainer={"steps_per_generation": 2, "per_device_train_batch_size": 4, "max_steps": 2},
    )
    trainer.train()
    first, second = trainer.losses
    assert first[2] == pytest.approx(0, abs=1e-3)
    assert second[2] > 0.1
    # Both updates share the tokens of the generation: each is divided by half of them.
    tokens = float(trainer.outputs[0]["num_items_in_batch"])
    for loss, bare, penalty in trainer.losses:
        assert loss - bare == pytest.approx(3.0 * penalty / (tokens / 2), abs=1e-5)
    assert trainer.state.log_history[1]["coverage/penalty"] == pytest.approx(second[2], rel=1e-3)
    assert trainer.state.log_history[1]["coverage/tokens"] >= 1


def test_images_that_were_lost_on_the_way_stop_the_run(
    scripted: Callable[..., ScriptedTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = scripted(trainer={"max_steps": 1})
    rollouts = as_rollouts

    def one_too_many(played: list[Played], encoder: ChatEncoder) -> Any:
        batch = rollouts(played, encoder)
        batch.images[0].append(Image.new("RGB", (112, 112)))
        return batch

    monkeypatch.setattr("loupe.grpo.trainer.as_rollouts", one_too_many)
    with pytest.raises(ModelError, match="images of a rollout were dropped"):
        trainer.train()


def test_a_stand_in_for_a_reward_says_that_it_is_one() -> None:
    assert [reward.__name__ for reward in reward_names()] == list(TERMS)
    with pytest.raises(ModelError, match="format is computed from whole episodes"):
        reward_names()[0](prompts=[], completions=[])
