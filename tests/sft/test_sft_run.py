"""A run of SFT leaves a model and everything that says where it came from, and learns what it is shown."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loupe.core.config import load_config
from loupe.core.errors import ConfigError, ImageError, MissingFileError
from loupe.core.files import read_json, read_jsonl
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.local_policy import LocalPolicy
from loupe.core.protocol import load_protocol
from loupe.core.records import Episode, Learn
from loupe.sft.arguments import check_gpus, trainer_arguments
from loupe.sft.config import SftConfig
from loupe.sft.sources import load_examples
from loupe.sft.train import run_sft
from loupe.zoom.inputs import loop_inputs
from loupe.zoom.loop import play

Make = Callable[..., SftConfig]


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in read_jsonl(out / "metrics.jsonl") if "loss" in row]


def test_a_run_leaves_model_config_environment_numbers_and_episodes(
    tmp_path: Path, small_run: Make, synthetic_folder: Path, blank_folder: Path
) -> None:
    config = small_run(tmp_path / "run")
    folder = run_sft(config)
    out = tmp_path / "run"
    assert folder == out / "model"
    assert load_config(SftConfig, out / "config.yaml") == config
    environment = read_json(out / "environment.json")
    assert list(environment["data_sha256"]) == [str(synthetic_folder / "manifest.json")]
    assert list(environment["start_sha256"]) == [str(blank_folder / "model.safetensors")]
    assert len(losses(out)) == 3
    episodes = read_jsonl(out / "episodes.jsonl")
    assert [row.pop("step") for row in episodes] == [0, 2, 3]
    assert {Episode.from_json(row).sample_id for row in episodes} == {"val-00000-0"}
    assert list((out / "checkpoints").rglob("events.out.tfevents.*"))
    start, end = (load_file(path / "model.safetensors") for path in (blank_folder, folder))
    assert start.keys() == end.keys()
    assert all(not torch.equal(start[name], end[name]) for name in start if name.endswith("weight"))
    load_model(ModelConfig(path=str(folder)))


def test_four_examples_are_learnt_by_heart_in_thirty_steps(
    tmp_path: Path, small_run: Make, synthetic_folder: Path
) -> None:
    config = small_run(tmp_path, limit=4, probe_images=0, trainer={"max_steps": 30, "save_steps": 100})
    model, processor = load_model(ModelConfig(path=str(run_sft(config))))
    fallen = losses(tmp_path)
    assert len(fallen) == 30
    assert fallen[0] > 5
    assert fallen[-1] < 0.02
    protocol = load_protocol("zoom-brief")
    (source,) = config.mix.values()
    examples = load_examples(source, "written", limit=4)
    policy = LocalPolicy(model, processor, max_new_tokens=protocol.max_new_tokens)
    inputs = loop_inputs(synthetic_folder, [example.sample for example in examples])
    learnt = {turn.text for example in examples for turn in example.rationale.turns if turn.learn is Learn.ALL}
    for played in play(policy, inputs, protocol):
        verdict = played.episode.verdict
        assert verdict is not None
        assert verdict.text in learnt
        assert verdict.expected_rating == pytest.approx(verdict.answer.rating, abs=0.3)


def test_lora_on_nf4_trains_and_saves_an_adapter_that_loads_again(
    tmp_path: Path, small_run: Make, blank_folder: Path
) -> None:
    start = ModelConfig(
        path=str(blank_folder), quantise="nf4", lora=LoraSettings(enabled=True, rank=4, alpha=8), device="cpu"
    )
    folder = run_sft(small_run(tmp_path, model=start, limit=4, trainer={"max_steps": 2, "learning_rate": 1e-2}))
    assert not (folder / "model.safetensors").exists()
    adapter = load_file(folder / "adapter_model.safetensors")
    assert adapter
    assert all("lora_" in name for name in adapter)
    assert any(tensor.abs().max() > 0 for name, tensor in adapter.items() if "lora_B" in name)
    assert read_json(folder / "adapter_config.json")["base_model_name_or_path"] == str(blank_folder)
    model, _ = load_model(ModelConfig(path=str(folder), quantise="nf4", device="cpu"), train=True)
    loaded = {name.replace(".default", ""): weight for name, weight in model.named_parameters() if "lora_" in name}
    assert loaded.keys() == adapter.keys()
    assert all(torch.equal(loaded[name].float(), adapter[name].float()) for name in adapter)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("learning_rat", 1.0, "unexpected keyword argument 'learning_rat'"),
        ("lr_scheduler_type", "zigzag", "zigzag"),
        ("max_length", 10, r"trainer\.max_length is set by this stage"),
        ("seed", 3, r"trainer\.seed is set by this stage; use `out` and `seed`"),
        ("output_dir", "x", r"trainer\.output_dir is set by this stage"),
    ],
)
def test_an_argument_that_trl_does_not_take_is_refused_in_one_line(
    tmp_path: Path, small_run: Make, key: str, value: Any, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        run_sft(small_run(tmp_path / "run", trainer={key: value}))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_users_arguments_win_over_ours_and_ours_over_those_of_trl(tmp_path: Path) -> None:
    arguments = trainer_arguments(SftConfig(trainer={"learning_rate": 1e-5, "use_cpu": True}), tmp_path)
    assert (arguments.learning_rate, arguments.per_device_train_batch_size) == (1e-5, 32)
    assert (arguments.max_length, arguments.remove_unused_columns) == (None, False)


def test_a_folder_that_holds_another_run_is_refused(tmp_path: Path, small_run: Make) -> None:
    (tmp_path / "config.yaml").write_text("seed: 9\n")
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ConfigError, match="holds another run"):
        run_sft(small_run(tmp_path))


def test_a_folder_without_a_validation_split_is_learnt_from_and_nothing_is_watched(
    tmp_path: Path, small_run: Make, synthetic_folder: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(synthetic_folder, data)
    (data / "val.jsonl").unlink()
    (data / "manifest.json").unlink()
    out = tmp_path / "run"
    run_sft(small_run(out, data=str(data), trainer={"max_steps": 1}))
    assert not (out / "watched").exists()
    assert not (out / "episodes.jsonl").exists()
    assert list(read_json(out / "environment.json")["data_sha256"]) == [
        str(data / name) for name in ("train.jsonl", "rationales/train.jsonl", "rationales/val.jsonl")
    ]


def test_a_start_that_fails_leaves_the_run_folder_free(tmp_path: Path, small_run: Make, synthetic_folder: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(synthetic_folder, data)
    first = data / read_jsonl(data / "val.jsonl")[0]["image"]
    picture = first.read_bytes()
    first.write_bytes(picture[: len(picture) // 2])
    config = small_run(tmp_path / "run", data=str(data), trainer={"max_steps": 1})
    with pytest.raises(ImageError, match=first.name):
        run_sft(config)
    assert not (tmp_path / "run").exists()
    first.write_bytes(picture)
    run_sft(config)


def test_data_without_rationales_is_refused(tmp_path: Path, small_run: Make, synthetic_folder: Path) -> None:
    with pytest.raises(MissingFileError, match="loupe data synth"):
        run_sft(small_run(tmp_path / "run", data=str(tmp_path)))
    (tmp_path / "rationales").mkdir()
    (tmp_path / "rationales" / "train.jsonl").write_text("")
    (tmp_path / "train.jsonl").write_text(json.dumps(read_jsonl(synthetic_folder / "train.jsonl")[0]) + "\n")
    with pytest.raises(ConfigError, match="has no rationales to learn from"):
        run_sft(small_run(tmp_path / "run", data=str(tmp_path)))


def test_a_run_without_padding_learns_what_the_padded_one_learns(tmp_path: Path, small_run: Make) -> None:
    # Adam would divide rounding by rounding where a gradient is all but zero.
    trainer = {"gradient_accumulation_steps": 2, "optim": "sgd", "learning_rate": 0.1}
    for name, pack in (("row", True), ("padded", False)):
        run_sft(small_run(tmp_path / name, pack=pack, limit=0, trainer=trainer))
    row, padded = losses(tmp_path / "row"), losses(tmp_path / "padded")
    assert row == pytest.approx(padded, abs=1e-5)
    assert row[0] - row[-1] > 1e-2
    counted = [read_jsonl(tmp_path / name / "metrics.jsonl")[0]["num_tokens"] for name in ("row", "padded")]
    # What all examples of a batch begin with is there once: start of the turn, who speaks, and start of the image.
    assert 0 < counted[1] - counted[0] < 8 * 8
    before, after = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("row", "padded"))
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)


def test_padded_batches_may_put_like_lengths_together(tmp_path: Path, small_run: Make) -> None:
    trainer = {"train_sampling_strategy": "group_by_length", "max_steps": 5}
    run_sft(small_run(tmp_path, pack=False, limit=0, trainer=trainer))
    assert len(losses(tmp_path)) == 5


def test_one_process_for_several_gpus_is_refused() -> None:
    check_gpus(0)
    check_gpus(1)
    with pytest.raises(ConfigError, match="sees 2 GPUs; start one a GPU"):
        check_gpus(2)
