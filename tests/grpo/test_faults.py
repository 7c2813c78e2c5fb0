"""What goes wrong in a long run: bad rollouts are data, bad files and full disks are one line, and nothing is lost."""

import errno
import math
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

import loupe.grpo.trainer as module
from loupe.core.errors import MissingFileError, ModelError
from loupe.core.files import read_jsonl
from loupe.core.model.resume import last_checkpoint
from loupe.core.policy import Conversation
from loupe.data.store import load_samples
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.disk import room_for
from loupe.rewards.settings import RewardWeights

Scripted = Callable[..., Any]
LABELS = '"distortion_class": "blur", "severity": "slight", "bbox_2d": null, "tool": "final"'
GOOD = f'<think>So.</think><answer>{{"rating": 3.0, {LABELS}}}</answer>'
BAD = "Nothing that can be used."
ALTERNATING = ((GOOD,), (BAD,))
KEPT = {"save_strategy": "steps", "save_total_limit": 9}
FORMAT_ALONE = RewardWeights(format=1, score=0, degradation=0, rank=0, comparison=0)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_rollout_without_a_usable_answer_is_counted_kept_and_learnt_from(scripted: Scripted) -> None:
    trainer = scripted(scripts=ALTERNATING, trainer={"max_steps": 1})
    logged, rows = trainer.state.log_history[0], read_jsonl(trainer.work.run.path / "rewards.jsonl")
    assert logged["unusable"] == 0.5
    assert [row["texts"] for row in rows[:2]] == [[GOOD], [BAD]]
    assert [row["total"] for row in rows if row["texts"] == [BAD]] == [0.0] * 4
    assert (trainer.batches[0].advantages[1::2] < 0).all()


@pytest.mark.parametrize(("line", "beta"), [(GOOD, 0.0), (BAD, 0.1)])
def test_a_batch_in_which_no_group_teaches_leaves_every_weight_as_it_was(
    scripted: Scripted, taught_folder: Path, line: str, beta: float
) -> None:
    held = CoverageConfig(1.0, target="reference")
    weighted = RewardWeights(rank=0)
    trainer = scripted(scripts=((line,),), rewards=weighted, coverage=held, trainer={"max_steps": 2, "beta": beta})
    for row in trainer.state.log_history[:2]:
        assert (row["frac_reward_zero_std"], row["loss"], row["grad_norm"]) == (1, 0, pytest.approx(0, abs=1e-6))
        assert row["coverage/tokens"] == 0
    assert not trainer.batches[0].alive.any() and not trainer.batches[0].advantages.any()
    after = weights(trainer.work.run.path)
    assert all(value.isfinite().all() for value in after.values())
    # Adam makes steps of the rounding of a KL that is zero.
    assert beta > 0 or same(after, load_file(taught_folder / "model.safetensors"))


def test_a_dead_group_beside_a_living_one_adds_nothing_to_the_gradient(scripted: Scripted) -> None:
    def half(conversation: Conversation) -> str:
        number = int(conversation.key.rsplit(".", 1)[1])
        return GOOD if number < 4 or number % 2 else BAD

    mixed = scripted("mixed", scripts=half, rewards=FORMAT_ALONE, trainer={"max_steps": 1})
    batch = mixed.batches[0]
    assert batch.alive.tolist() == [False] * 4 + [True] * 4
    plain = scripted("plain", scripts=half, rewards=FORMAT_ALONE, share_prompts=False, trainer={"max_steps": 1})
    every = scripted("every", scripts=half, rewards=FORMAT_ALONE, trainer={"max_steps": 1, "beta": 1e-12})
    largest = max(float(grad.abs().max()) for grad in every.gradients[0].values())
    for name, grad in every.gradients[0].items():
        for other in (mixed, plain):
            torch.testing.assert_close(other.gradients[0][name], grad, rtol=1e-4, atol=1e-5 * largest)


def test_a_reward_that_is_no_number_gets_no_advantage_and_the_run_goes_on(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module.score_episodes

    def broken(*args: Any, **kwargs: Any) -> Any:
        table = original(*args, **kwargs)
        table.total[1] = math.nan
        return table

    monkeypatch.setattr(module, "score_episodes", broken)
    trainer = scripted(scripts=ALTERNATING, rewards=FORMAT_ALONE)
    first = trainer.batches[0].advantages
    # Of the first group are left 1, 1 and 0: mean 2/3, standard deviation (n - 1) sqrt(1/3).
    spread = math.sqrt(1 / 3) + 1e-4
    assert first[:4].tolist() == pytest.approx([1 / 3 / spread, 0, 1 / 3 / spread, -2 / 3 / spread], abs=1e-6)
    assert [math.isfinite(row["loss"]) for row in trainer.state.log_history[:2]] == [True, True]
    assert trainer.state.log_history[0]["reward"] == pytest.approx(4 / 7)
    rows = read_jsonl(trainer.work.run.path / "rewards.jsonl")
    assert rows[1]["total"] is None and rows[0]["total"] == 1
    assert all(value.isfinite().all() for value in trainer.model.state_dict().values())


FOUR_STEPS: dict[str, Any] = {"limit": 2, "trainer": KEPT | {"max_steps": 4}}


@pytest.fixture(scope="module")
def untroubled(scripted_into: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights after four steps in which nothing happened."""
    out = tmp_path_factory.mktemp("untroubled") / "run"
    return weights(scripted_into(out, ALTERNATING, **FOUR_STEPS).work.run.path)


@pytest.fixture
def image(synthetic_folder: Path, tmp_path: Path) -> Path:
    """An image of a copy of the data folder, which is played in every step."""
    shutil.copytree(synthetic_folder, tmp_path / "data")
    return tmp_path / "data" / load_samples(tmp_path / "data", "train")[0].image


def alternating(act: Callable[[], None], *, step: int) -> Callable[[Conversation], str]:
    """What ALTERNATING says; in a step's first reply, when its images are open, something happens."""
    heard = 0

    def say(conversation: Conversation) -> str:
        nonlocal heard
        heard += 1
        if heard == 8 * (step - 1) + 1:
            act()
        return (GOOD, BAD)[int(conversation.key.rsplit(".", 1)[1]) % 2]

    return say


def test_an_image_that_vanished_is_named_and_the_last_checkpoint_goes_on(
    scripted: Scripted, image: Path, tmp_path: Path, untroubled: dict[str, torch.Tensor]
) -> None:
    settings = FOUR_STEPS | {"data": str(tmp_path / "data")}
    moved = alternating(lambda: shutil.move(image, tmp_path / "elsewhere"), step=3)
    with pytest.raises(MissingFileError, match=image.name) as caught:
        scripted("run", scripts=moved, **settings)
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    shutil.move(tmp_path / "elsewhere", image)
    resumed = scripted("run", scripts=ALTERNATING, resume=True, **settings)
    assert same(weights(resumed.work.run.path), untroubled)


@contextmanager
def filling(size: int, *, step: int) -> Iterator[Callable[[Conversation], str]]:
    """The same agent; from a step on no file may grow beyond so many bytes: to whoever writes, the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield alternating(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard)), step=step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# The weights have six million bytes and the optimizer's state has twice as many; each library says it in its own way.
@pytest.mark.parametrize(("size", "reason"), [(1_000_000, "File too large"), (8_000_000, "less than was given")])
def test_a_disk_that_fills_while_a_checkpoint_is_written_costs_that_checkpoint_alone(
    scripted: Scripted, tmp_path: Path, untroubled: dict[str, torch.Tensor], size: int, reason: str
) -> None:
    wanted = rf"run/checkpoints/checkpoint-4 could not be written \(.*{reason}.*\); make room, and go on .*resume=true"
    with filling(size, step=4) as full, pytest.raises(ModelError, match=wanted) as caught:
        scripted("run", scripts=full, **FOUR_STEPS)
    assert "\n" not in str(caught.value)
    assert Path(last_checkpoint(tmp_path / "run" / "checkpoints") or "").name == "checkpoint-2"
    resumed = scripted("run", scripts=ALTERNATING, resume=True, **FOUR_STEPS)
    assert same(weights(resumed.work.run.path), untroubled)


def test_a_disk_that_fills_while_rows_are_written_is_named_by_the_run_folder(
    scripted: Scripted, tmp_path: Path
) -> None:
    with filling(2_000, step=2) as full, pytest.raises(ModelError, match=r"/run could not be written \(File too large"):
        scripted("run", scripts=full)
    rows = read_jsonl(tmp_path / "run" / "rewards.jsonl")
    assert {row["step"] for row in rows[:8]} == {1}


def test_a_disk_that_fills_at_the_end_leaves_no_half_of_a_model(scripted: Scripted, tmp_path: Path) -> None:
    with filling(1_000_000, step=2) as full, pytest.raises(ModelError, match=r"run/model could not be written"):
        scripted("run", scripts=full)
    assert not [path.name for path in (tmp_path / "run").iterdir() if "model" in path.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_way_in_which_a_disk_is_full_is_one_line(tmp_path: Path, number: int) -> None:
    with pytest.raises(ModelError, match=f"x could not be written .{os.strerror(number)}"), room_for(tmp_path / "x"):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        MissingFileError("no file"),
        RuntimeError("a tensor has another shape"),
        SafetensorError("Error while deserializing header"),
        KeyError("x"),
    ],
)
def test_what_is_no_full_disk_stays_what_it_is(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, room_for(tmp_path):
        raise error
    assert caught.value is error
