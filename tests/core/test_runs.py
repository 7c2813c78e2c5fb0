"""A run folder says what made its result, belongs to one run, and goes on only with the same settings."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from loupe.core.environment import environment, git_state, weight_files
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.files import read_json, read_jsonl
from loupe.core.runs import open_run


@dataclass
class Optimiser:
    lr: float = 0.001
    max_steps: int = 10


@dataclass
class Stage:
    start: str = "pocket-base"
    out: str = "runs/one"
    resume: bool = False
    optimiser: Optimiser = field(default_factory=Optimiser)
    trainer: dict[str, Any] = field(default_factory=dict)


def test_a_run_folder_holds_the_whole_configuration(tmp_path: Path) -> None:
    open_run(tmp_path / "run", Stage())
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == {
        "start": "pocket-base",
        "out": "runs/one",
        "resume": False,
        "optimiser": {"lr": 0.001, "max_steps": 10},
        "trainer": {},
    }


def test_the_environment_names_versions_hashes_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"abc")
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "config.json").write_bytes(b"{}")
    open_run(tmp_path / "run", Stage(), data=[tmp_path / "manifest.json"], start=model)
    made = read_json(tmp_path / "run" / "environment.json")
    assert made["versions"]["numpy"].count(".") >= 2
    assert made["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert made["command"] == sys.argv
    assert made["cpus"] >= 1
    [(name, digest)] = made["data_sha256"].items()
    assert name.endswith("manifest.json")
    assert digest.startswith("ba7816bf")
    assert [Path(name).name for name in made["start_sha256"]] == ["model.safetensors"]


def test_a_start_that_is_a_name_has_no_hash(tmp_path: Path) -> None:
    made = environment(start="Qwen/Qwen2.5-VL-7B-Instruct")
    assert (made["start"], made["start_sha256"]) == ("Qwen/Qwen2.5-VL-7B-Instruct", {})
    assert weight_files(None) == []


def test_missing_data_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"manifest\.json"):
        open_run(tmp_path / "run", Stage(), data=[tmp_path / "manifest.json"])
    assert not (tmp_path / "run").exists()


def test_asking_for_the_environment_imports_nothing_heavy() -> None:
    code = (
        "import sys; from loupe.core.environment import environment; environment();"
        "print([name for name in ('torch', 'transformers', 'cv2', 'datasets') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_git_state_is_unknown_outside_of_a_repository_and_for_untracked_folders(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None


def test_git_state_tells_commit_and_changes(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    assert git_state(tmp_path) is None
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "code.py").write_text("2")
    assert git_state(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": True}


def test_a_folder_that_holds_a_run_is_refused_with_advice(tmp_path: Path) -> None:
    open_run(tmp_path, Stage()).log(1, loss=0.5)
    with pytest.raises(ConfigError, match="holds another run; choose another folder, or set resume=true, or remove it"):
        open_run(tmp_path, Stage())


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_made_nothing_leaves_its_folder_free(tmp_path: Path, resume: bool) -> None:
    open_run(tmp_path, Stage(start="one"))
    assert not open_run(tmp_path, Stage(start="two"), resume=resume).resumed
    assert "start: two" in (tmp_path / "config.yaml").read_text()


def test_a_folder_with_other_files_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert not open_run(tmp_path, Stage()).resumed
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match="is a file; wanted a folder"):
        open_run(tmp_path / "run", Stage())


def test_resuming_what_never_began_begins_it(tmp_path: Path) -> None:
    assert not open_run(tmp_path / "run", Stage(resume=True), resume=True).resumed


def test_the_same_settings_resume_and_the_first_environment_is_kept(tmp_path: Path) -> None:
    open_run(tmp_path, Stage()).log(1, loss=0.5)
    first = read_json(tmp_path / "environment.json")
    assert open_run(tmp_path, Stage(resume=True), resume=True).resumed
    assert open_run(tmp_path, Stage(resume=True), resume=True).resumed
    made = read_json(tmp_path / "environment.json")
    assert len(made["earlier"]) == 2
    assert made["earlier"][0] == first
    assert "earlier" not in made["earlier"][1]


def test_a_resumed_run_may_take_more_steps(tmp_path: Path) -> None:
    open_run(tmp_path, Stage()).log(1, loss=0.5)
    longer = Stage(optimiser=Optimiser(max_steps=99), trainer={"max_steps": 50})
    assert open_run(tmp_path, longer, resume=True).resumed
    assert "max_steps: 99" in (tmp_path / "config.yaml").read_text()


def test_a_folder_of_before_a_setting_was_there_is_resumed_at_its_default_alone(tmp_path: Path) -> None:
    open_run(tmp_path, Stage()).log(1, loss=0.5)
    old = yaml.safe_load((tmp_path / "config.yaml").read_text())
    del old["start"], old["optimiser"]["lr"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(old))
    with pytest.raises(ConfigError, match=r"optimiser\.lr was 0\.001, is 0\.1"):
        open_run(tmp_path, Stage(optimiser=Optimiser(lr=0.1), resume=True), resume=True)
    assert open_run(tmp_path, Stage(resume=True), resume=True).resumed


def test_a_run_folder_that_was_moved_is_still_the_same_run(tmp_path: Path) -> None:
    open_run(tmp_path / "here", Stage(out="here")).log(1, loss=0.5)
    (tmp_path / "here").rename(tmp_path / "there")
    assert open_run(tmp_path / "there", Stage(out="there", resume=True), resume=True).resumed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (Stage(start="other"), "start was 'pocket-base', is 'other'"),
        (Stage(optimiser=Optimiser(lr=0.1)), r"optimiser\.lr was 0\.001, is 0\.1"),
        (Stage(trainer={"seed": 1}), r"trainer\.seed was None, is 1"),
    ],
)
def test_other_settings_do_not_resume_and_are_named(tmp_path: Path, changed: Stage, message: str) -> None:
    open_run(tmp_path, Stage()).log(1, loss=0.5)
    before = (tmp_path / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=message):
        open_run(tmp_path, replace(changed, resume=True), resume=True)
    assert (tmp_path / "config.yaml").read_text() == before


def test_changed_data_and_changed_start_weights_do_not_resume(tmp_path: Path) -> None:
    manifest, weights = tmp_path / "manifest.json", tmp_path / "model.safetensors"
    manifest.write_text("one")
    weights.write_text("one")
    open_run(tmp_path / "run", Stage(), data=[manifest], start=weights).log(1, loss=0.5)
    assert open_run(tmp_path / "run", Stage(), data=[manifest], start=weights, resume=True).resumed
    weights.write_text("two")
    with pytest.raises(ConfigError, match="start weights have changed"):
        open_run(tmp_path / "run", Stage(), data=[manifest], start=weights, resume=True)
    manifest.write_text("two")
    with pytest.raises(ConfigError, match="the data have changed"):
        open_run(tmp_path / "run", Stage(), data=[manifest], start=weights, resume=True)


def test_numbers_and_episodes_are_logged_with_their_step(tmp_path: Path) -> None:
    run = open_run(tmp_path, Stage())
    run.log(1, loss=0.5, **{"rewards/format": 1.0})
    run.log(2, loss=float("nan"))
    run.append_episodes(2, [{"sample_id": "a"}, {"sample_id": "b"}])
    assert read_jsonl(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 0.5, "rewards/format": 1.0},
        {"step": 2, "loss": None},
    ]
    assert [row["sample_id"] for row in read_jsonl(tmp_path / "episodes.jsonl")] == ["a", "b"]


def test_rewards_and_draws_are_logged_with_the_step_that_learns_from_them(tmp_path: Path) -> None:
    run = open_run(tmp_path, Stage())
    run.append_rewards(1, [{"image": "a", "total": 1.5}, {"image": "b", "total": float("nan")}])
    run.append_draw(1, {"chunk": 0, "counts": {"x": [1, 0]}})
    run.append_draw(3, {"chunk": 1, "counts": {"x": [0, 1]}})
    assert read_jsonl(tmp_path / "rewards.jsonl") == [
        {"step": 1, "image": "a", "total": 1.5},
        {"step": 1, "image": "b", "total": None},
    ]
    assert read_jsonl(tmp_path / "draws.jsonl") == [
        {"step": 1, "chunk": 0, "counts": {"x": [1, 0]}},
        {"step": 3, "chunk": 1, "counts": {"x": [0, 1]}},
    ]


def test_rewinding_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    run = open_run(tmp_path, Stage())
    for step in range(5):
        run.log(step, loss=step)
        run.append_episodes(step, [{"n": step}])
        run.append_rewards(step, [{"n": step}])
        run.append_draw(step, {"n": step})
    run.rewind(2)
    run.log(3, loss=30)
    assert [row["loss"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [0, 1, 2, 30]
    for name in ("episodes", "rewards", "draws"):
        assert [row["n"] for row in read_jsonl(tmp_path / f"{name}.jsonl")] == [0, 1, 2]


@pytest.mark.parametrize("name", ["rewards", "draws"])
def test_rows_of_rollouts_alone_are_a_run_that_has_begun(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.jsonl").touch()
    with pytest.raises(ConfigError, match="holds another run"):
        open_run(tmp_path, Stage())


def test_rewinding_a_run_without_rows_does_nothing(tmp_path: Path) -> None:
    run = open_run(tmp_path, Stage())
    run.rewind(0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "environment.json"]
