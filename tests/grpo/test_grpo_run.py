"""A run of GRPO leaves a model and everything that says where it came from."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loupe.core.config import load_config
from loupe.core.files import read_json, read_jsonl
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.records import Episode
from loupe.grpo.config import GrpoConfig
from loupe.grpo.sampler import ProgressiveSampler
from loupe.grpo.train import run_grpo
from loupe.grpo.trainer import ZoomGRPOTrainer
from loupe.rewards.terms import TERMS
from loupe.zoom.loop import Played

Make = Callable[..., GrpoConfig]
Drawn = list[tuple[int, list[int]]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """(step, images) of every batch of rollouts that is played in this process."""
    batches: Drawn = []
    original = ZoomGRPOTrainer._play

    def watched(self: ZoomGRPOTrainer, indices: Sequence[int]) -> list[Played]:
        batches.append((self.state.global_step, list(indices)))
        return original(self, indices)

    monkeypatch.setattr(ZoomGRPOTrainer, "_play", watched)
    return batches


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_leaves_model_config_environment_numbers_and_episodes(
    tmp_path: Path, small_run: Make, synthetic_folder: Path, taught_folder: Path
) -> None:
    config = small_run(tmp_path)
    steps: list[tuple[int, int]] = []
    folder = run_grpo(config, progress=lambda done, total: steps.append((done, total)))
    assert folder == tmp_path / "model"
    assert steps == [(1, 2), (2, 2)]
    assert load_config(GrpoConfig, tmp_path / "config.yaml") == config
    environment = read_json(tmp_path / "environment.json")
    assert list(environment["data_sha256"]) == [str(synthetic_folder / "manifest.json")]
    assert list(environment["start_sha256"]) == [str(taught_folder / "model.safetensors")]
    rows = [row for row in read_jsonl(tmp_path / "metrics.jsonl") if "reward" in row]
    assert [row["step"] for row in rows] == [1, 2]
    wanted = {"loss", "reward", "reward_std", "zoom_rate", "unusable", "entropy", "clip_ratio", "step_time"}
    wanted |= {"completions/mean_length", "rating_spread", "resampling/power", "seconds/sampling"}
    # Nobody compares images here, and none of these few is damaged in a part: no number, and no row for it.
    applied = [name for name in TERMS if name not in ("comparison", "region_iou")]
    assert wanted | {f"rewards/{name}/mean" for name in applied} <= set(rows[0])
    assert rows[0]["reward_std"] > 0
    episodes = read_jsonl(tmp_path / "episodes.jsonl")
    assert [row.pop("step") for row in episodes] == [0, 2]
    assert {Episode.from_json(row).sample_id for row in episodes} == {"val-00000-0"}
    assert [row["step"] for row in read_jsonl(tmp_path / "rewards.jsonl")] == [1] * 8 + [2] * 8
    assert [(row["step"], row["chunk"]) for row in read_jsonl(tmp_path / "draws.jsonl")] == [(1, 0), (2, 1)]
    assert list((tmp_path / "checkpoints").rglob("events.out.tfevents.*"))
    assert not same(load_file(taught_folder / "model.safetensors"), load_file(folder / "model.safetensors"))
    load_model(ModelConfig(path=str(folder)))


def test_the_images_that_are_played_are_those_of_the_sampler(
    tmp_path: Path, small_run: Make, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ProgressiveSampler] = []
    original = ZoomGRPOTrainer._get_train_sampler

    def kept(self: ZoomGRPOTrainer, dataset: object = None) -> ProgressiveSampler:
        made.append(original(self, dataset))
        return made[-1]

    monkeypatch.setattr(ZoomGRPOTrainer, "_get_train_sampler", kept)
    run_grpo(small_run(tmp_path, trainer={"max_steps": 3, "num_iterations": 2, "save_strategy": "no"}))
    assert [step for step, _ in drawn] == [0, 2]
    sampler = made[0]
    assert len(sampler) == 2 * 2 * 8
    for number, (_, images) in enumerate(drawn):
        assert images == [index for index in sampler.images(number).tolist() for _ in range(4)]


def test_the_same_seed_gives_the_same_run_and_another_one_gives_another(tmp_path: Path, small_run: Make) -> None:
    trainer = {"max_steps": 1, "save_strategy": "no", "report_to": "none"}
    said = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        run_grpo(small_run(tmp_path / name, seed=seed, probe_images=0, trainer=trainer))
        said.append(read_jsonl(tmp_path / name / "rewards.jsonl"))
    assert said[0] == said[1] != said[2]


def test_an_adapter_on_nf4_is_trained_against_the_adapter_that_it_was(
    tmp_path: Path, small_run: Make, taught_folder: Path
) -> None:
    start = ModelConfig(path=str(taught_folder), quantise="nf4", lora=LoraSettings(enabled=True, rank=4), device="cpu")
    quick = {"max_steps": 1, "save_strategy": "no", "learning_rate": 1e-2}
    first = run_grpo(small_run(tmp_path / "first", model=start, probe_images=0, trainer=quick))
    before = load_file(first / "adapter_model.safetensors")
    again = ModelConfig(path=str(first), quantise="nf4", device="cpu")
    second = run_grpo(small_run(tmp_path / "second", model=again, probe_images=0, trainer={**quick, "beta": 0.04}))
    after = load_file(second / "adapter_model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert read_jsonl(tmp_path / "second" / "metrics.jsonl")[0]["kl"] == pytest.approx(0, abs=1e-6)
    load_model(ModelConfig(path=str(second), quantise="nf4", device="cpu"))
