"""Perception training learns, and a run that goes on from a checkpoint takes the steps that it would have taken."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from loupe.core.errors import ConfigError
from loupe.core.files import read_jsonl
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.model.pocket import PocketSize
from loupe.sft import perception
from loupe.sft.perception import PerceptionConfig, PerceptionTrainer, run_perception
from loupe.sft.views import Views, load_views

SMALL = PocketSize(hidden=64, layers=2, vision_hidden=64, vision_depth=1)


@pytest.fixture(scope="module")
def views(synthetic_folder: Path) -> Views:
    return load_views(synthetic_folder, "train", side=112, jpeg_share=0.3)


def settings(data: Path | str = "", out: Path | str = "", *, resume: bool = False, seed: int = 0) -> PerceptionConfig:
    return PerceptionConfig(
        data=str(data),
        out=str(out),
        size=SMALL,
        steps=6,
        batch=4,
        evaluate_every=2,
        device="cpu",
        resume=resume,
        seed=seed,
    )


def test_a_trainer_that_goes_on_takes_the_same_steps_bit_for_bit(views: Views, tmp_path: Path) -> None:
    unbroken = PerceptionTrainer(settings(), views)
    losses = [unbroken.step(number) for number in range(1, 7)]
    killed = PerceptionTrainer(settings(), views)
    assert [killed.step(number) for number in range(1, 4)] == losses[:3]
    killed.save(tmp_path, 3)
    resumed = PerceptionTrainer(settings(), views)
    assert resumed.load(tmp_path) == 3
    assert resumed.seconds == killed.seconds
    assert [resumed.step(number) for number in range(4, 7)] == losses[3:]
    for mine, its in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_without_a_checkpoint_a_trainer_begins_at_the_beginning(views: Views, tmp_path: Path) -> None:
    assert PerceptionTrainer(settings(), views).load(tmp_path / "nothing") == 0


def test_the_seed_decides_weights_and_batches(views: Views) -> None:
    first, again, other = (PerceptionTrainer(settings(seed=seed), views).step(1) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_learning_rate_warms_up_and_falls_to_a_fiftieth(views: Views) -> None:
    trainer = PerceptionTrainer(settings(), views)
    trainer.config.steps = 1000
    trainer.config.batch = 2
    rates = []
    for number in (1, 5, 11, 501, 1001):
        trainer.step(number)
        rates.append(trainer.optimizer.param_groups[0]["lr"] / trainer.config.learning_rate)
    # The warm-up takes ten steps; half way the cosine is at a half.
    assert rates == pytest.approx([0.1, 0.5, 1.0, 0.51, 0.02], abs=1e-3)


def test_the_loss_falls(views: Views) -> None:
    trainer = PerceptionTrainer(settings(), views)
    trainer.config.learning_rate, trainer.config.steps = 3e-3, 40
    losses = [trainer.step(number) for number in range(1, 41)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 2


class KilledError(Exception):
    """Stands for a kill: nothing of the run's own code comes after it."""


def test_a_killed_run_goes_on_and_ends_with_the_same_model(synthetic_folder: Path, tmp_path: Path) -> None:
    def die(done: int, total: int) -> None:
        if done == 5:
            raise KilledError

    run_perception(settings(synthetic_folder, tmp_path / "whole"))
    with pytest.raises(KilledError):
        run_perception(settings(synthetic_folder, tmp_path / "killed"), progress=die)
    steps: list[int] = []
    folder = run_perception(
        settings(synthetic_folder, tmp_path / "killed", resume=True), progress=lambda done, total: steps.append(done)
    )
    assert steps == [5, 6]
    whole, resumed = (load_file(path / "model" / "model.safetensors") for path in (tmp_path / "whole", folder.parent))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = [read_jsonl(tmp_path / name / "metrics.jsonl") for name in ("whole", "killed")]
    for row in (*rows[0], *rows[1]):
        assert row.pop("seconds") > 0
    assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == [2, 4, 6]
    fields = {"class", "severity", "region", "rating_error"}
    wanted = {f"{kind}_{name}" for kind in ("overview", "pair") for name in fields}
    assert set(rows[0][0]) == {"step", "loss"} | wanted | {f"crop_{name}" for name in fields - {"region"}}


def test_two_processes_take_the_steps_of_their_mean_gradient(
    synthetic_folder: Path, views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(synthetic_folder, tmp_path)
    config.steps, config.processes = 3, 2
    together, _ = load_model(ModelConfig(path=str(run_perception(config)), device="cpu", dtype="float32"))

    # The same by hand: the gradient of the second process is taken first and added to that of the first.
    by_hand = PerceptionTrainer(settings(), views)
    by_hand.config.steps = 3
    parameters = list(by_hand.model.parameters())
    number = 0

    def mean_with_the_other(_: object) -> None:
        mine = [parameter.grad.clone() for parameter in parameters]
        monkeypatch.setattr(perception, "rank", lambda: 1)
        rng = np.random.default_rng([0, number, 1, 1])
        by_hand.optimizer.zero_grad()
        by_hand.packer.loss(by_hand._batch(number, 4), by_hand.device, own_share=0.5, rng=rng).backward()
        monkeypatch.setattr(perception, "rank", lambda: 0)
        for parameter, gradient in zip(parameters, mine, strict=True):
            parameter.grad = (parameter.grad + gradient) / 2

    monkeypatch.setattr(perception, "average_gradients", mean_with_the_other)
    for number in range(1, 4):
        by_hand.step(number)
    for mine, its in zip(parameters, together.parameters(), strict=True):
        torch.testing.assert_close(mine.data, its.data, rtol=0, atol=1e-5)


def test_a_run_leaves_a_model_that_loads(synthetic_folder: Path, tmp_path: Path) -> None:
    config = settings(synthetic_folder, tmp_path)
    config.steps = 1
    folder = run_perception(config)
    model, processor = load_model(ModelConfig(path=str(folder)))
    assert model.config.text_config.hidden_size == SMALL.hidden
    assert processor.tokenizer.padding_side == "left"
    with pytest.raises(ConfigError, match="holds another run"):
        run_perception(config)
