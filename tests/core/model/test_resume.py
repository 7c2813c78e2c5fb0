"""A run goes on from the newest checkpoint that was written to its end."""

from pathlib import Path

import pytest

from loupe.core.model.resume import last_checkpoint


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
