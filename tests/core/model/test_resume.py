"""A run goes on from the newest checkpoint that was written to its end."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from loupe.core.errors import ModelError
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.resume import last_checkpoint, load_weights


def checkpoint(folder: Path, step: int, *, state: str | None = '{"global_step": 1}') -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"weights")
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


@pytest.mark.parametrize("make", [True, False])
def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "checkpoints"
    if make:
        folder.mkdir()
    assert last_checkpoint(folder) is None


def test_the_newest_is_the_one_with_the_highest_number(tmp_path: Path) -> None:
    for step in (8, 10, 9):
        checkpoint(tmp_path, step)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


@pytest.mark.parametrize("state", [None, "", '{"global_st'])
def test_a_checkpoint_that_a_kill_cut_short_is_passed_over(tmp_path: Path, state: str | None) -> None:
    whole = checkpoint(tmp_path, 2)
    checkpoint(tmp_path, 4, state=state)
    assert last_checkpoint(tmp_path) == str(whole)


def test_other_files_and_folders_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "checkpoint-7").write_text("")
    checkpoint(tmp_path / "deeper", 3)
    assert last_checkpoint(tmp_path) is None


def saved(model: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Writes a checkpoint as the trainers do; returns copies of the weights that can be trained."""
    model.save_pretrained(folder)
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


@torch.no_grad()
def spoil(model: Any) -> None:
    for weight in model.parameters():
        weight.add_(1.0)


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("family", ["pocket", "qwen3"])
def test_weights_come_back_from_a_checkpoint_whatever_their_names_in_the_file(
    tmp_path: Path, request: pytest.FixtureRequest, family: str, adapter: bool
) -> None:
    path = str(request.getfixturevalue(f"{family}_folder"))
    model, _ = load_model(ModelConfig(path=path, lora=LoraSettings(enabled=adapter, rank=2)), train=True)
    weights = saved(model, tmp_path)
    assert weights
    spoil(model)
    load_weights(model, tmp_path)
    now = dict(model.named_parameters())
    assert all(torch.equal(now[name], weight) for name, weight in weights.items())


@pytest.mark.parametrize("adapter", [False, True])
def test_a_checkpoint_that_lacks_a_weight_is_refused(tmp_path: Path, pocket_folder: Path, adapter: bool) -> None:
    config = ModelConfig(path=str(pocket_folder), lora=LoraSettings(enabled=adapter, rank=2))
    model, _ = load_model(config, train=True)
    saved(model, tmp_path)
    file = tmp_path / ("adapter_model.safetensors" if adapter else "model.safetensors")
    weights = load_file(file)
    weights.pop(max(weights))
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, such as .*; remove it and resume again"):
        load_weights(model, tmp_path)
