"""Tasks are protocols, each with its share of every step; several train in one run, each paid for what it asks."""

import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import read_jsonl, write_jsonl
from loupe.core.policy import Conversation
from loupe.core.protocol import Protocol
from loupe.core.records import Sample
from loupe.data.pairs import PairsConfig, write_pairs
from loupe.data.store import load_samples
from loupe.grpo.config import GrpoConfig
from loupe.grpo.tasks import Row, TaskConfig, check_rank, load_rows
from loupe.grpo.train import run_grpo, watched
from loupe.rewards.settings import RewardWeights

Scripted = Callable[..., Any]
ASKS = {
    "score": ("Give your rating.", ["rating"]),
    "degradation": ("What is wrong with it?", ["distortion_class", "severity"]),
    "comparison": ("Which one is better?", ["choice"]),
}
LINES = {
    "Give": '{"rating": 3.0}',
    "What": '{"distortion_class": "blur", "severity": "slight"}',
    "Which": '{"choice": "Image A"}',
    "Judge": '{"rating": 2.0, "distortion_class": null, "severity": null, "bbox_2d": null, "tool": "final"}',
}


@pytest.fixture
def folder(synthetic_folder: Path, tmp_path: Path) -> Path:
    """A copy of the data folder, with pairs."""
    shutil.copytree(synthetic_folder, tmp_path / "data")
    write_pairs(PairsConfig(data=str(tmp_path / "data"), count=10))
    return tmp_path / "data"


@pytest.fixture
def mix(tmp_path: Path) -> dict[str, TaskConfig]:
    """Zoom, score, degradation and comparison, three of them by protocol files of their own."""
    tasks = {"zoom": TaskConfig("zoom-brief")}
    for name, (question, asks) in ASKS.items():
        words = f"name: {name}\nquestion: {question}\nmax_rounds: 1\nmax_new_tokens: 24\nasks: {asks}\n"
        (tmp_path / f"{name}.yaml").write_text(words)
        tasks[name] = TaskConfig(str(tmp_path / f"{name}.yaml"))
    return tasks


def test_four_tasks_train_in_one_run_in_equal_shares_each_paid_for_what_it_asks(
    tmp_path: Path, small_run: Callable[..., GrpoConfig], folder: Path, mix: dict[str, TaskConfig]
) -> None:
    # Eight images a step, two of each task.
    trainer = {"per_device_train_batch_size": 16, "num_generations": 2, "save_strategy": "no", "report_to": "none"}
    config = small_run(tmp_path / "run", data=str(folder), tasks=mix, probe_images=0, trainer=trainer)
    run_grpo(config)
    rows = read_jsonl(tmp_path / "run" / "rewards.jsonl")
    by_step = {step: Counter(row["task"] for row in rows if row["step"] == step) for step in (1, 2)}
    assert by_step == {step: dict.fromkeys(("zoom", *ASKS), 4) for step in (1, 2)}
    paid = {"score": {"score", "rank", "zoom_gain"}, "degradation": {"degradation"}, "comparison": {"comparison"}}
    for row in rows:
        terms = {name for name in ("score", "rank", "zoom_gain", "degradation", "comparison") if row[name] is not None}
        assert terms == paid.get(row["task"], paid["score"] | paid["degradation"])
        assert ("|" in row["image"]) == (row["task"] == "comparison")
        assert len(row["texts"]) == 1 or row["task"] == "zoom"
    logged = read_jsonl(tmp_path / "run" / "metrics.jsonl")[0]
    for name in ("zoom", *ASKS):
        totals = [row["total"] for row in rows if (row["step"], row["task"]) == (1, name)]
        assert logged[f"tasks/{name}/reward"] == pytest.approx(sum(totals) / 4)
        assert 0 <= logged[f"tasks/{name}/unusable"] <= 1
    assert logged["reward"] == pytest.approx(sum(logged[f"tasks/{name}/reward"] for name in ("zoom", *ASKS)) / 4)
    (draw, _) = read_jsonl(tmp_path / "run" / "draws.jsonl")
    assert sorted(name.split(", ")[1] for name in draw["counts"]) == sorted(("zoom", *ASKS))


def test_an_agent_is_asked_by_the_protocol_of_each_task(
    scripted: Scripted, folder: Path, mix: dict[str, TaskConfig]
) -> None:
    shown: set[tuple[str, int]] = set()

    def answer(conversation: Conversation) -> str:
        (turn,) = conversation.user_turns
        word = turn.text.split()[0]
        shown.add((word, len(turn.images)))
        return f"<think>hm</think><answer>{LINES[word]}</answer>"

    trainer = scripted(
        scripts=answer,
        data=str(folder),
        tasks=mix,
        trainer={"per_device_train_batch_size": 16, "num_generations": 2, "max_steps": 1},
    )
    assert shown == {("Judge", 1), ("Give", 1), ("What", 1), ("Which", 2)}
    logged = trainer.state.log_history[0]
    assert logged["rewards/format/mean"] == 1
    # Everybody says the same, so that no group teaches anything.
    assert (logged["frac_reward_zero_std"], logged["loss"], logged["grad_norm"]) == (1, 0, 0)


def test_shares_are_relative_and_come_out_right_over_several_steps(
    scripted: Scripted, folder: Path, mix: dict[str, TaskConfig]
) -> None:
    chosen = {"score": TaskConfig(mix["score"].protocol, share=3.0), "comparison": mix["comparison"]}
    trainer = scripted(
        scripts=(("?",),),
        data=str(folder),
        tasks=chosen,
        rewards=RewardWeights(rank=0),
        trainer={"per_device_train_batch_size": 8, "num_generations": 4, "max_steps": 4},
    )
    rows = read_jsonl(trainer.work.run.path / "rewards.jsonl")
    # Four steps of two images: six of the one task, two of the other.
    assert Counter(row["task"] for row in rows) == {"score": 24, "comparison": 8}


def test_rows_of_a_mix_are_the_images_or_pairs_of_each_task(folder: Path, mix: dict[str, TaskConfig]) -> None:
    samples, pairs = load_samples(folder, "train"), read_jsonl(folder / "pairs-train.jsonl")
    rows = load_rows(folder, mix)
    assert Counter(row.task for row in rows) == {
        **dict.fromkeys(("zoom", "score", "degradation"), len(samples)),
        "comparison": len(pairs),
    }
    first = next(row for row in rows if row.task == "comparison")
    assert (first.id, first.choice) == (f"{pairs[0]['image_a']}|{pairs[0]['image_b']}", pairs[0]["choice"])
    assert first.rating == sum(sample.rating for sample in first.samples) / 2
    limited = load_rows(folder, mix, limit=3)
    assert Counter(row.task for row in limited) == dict.fromkeys(mix, 3)


def test_a_run_without_tasks_plays_its_protocol() -> None:
    assert GrpoConfig(protocol="zoom").mix == {"zoom": TaskConfig("zoom")}


def test_an_input_shows_the_images_of_its_row(folder: Path, mix: dict[str, TaskConfig]) -> None:
    rows = load_rows(folder, mix)
    pair = next(row for row in rows if row.task == "comparison").open(folder)
    single = next(row for row in rows if row.samples[0].degradation and row.samples[0].degradation.is_local).open(
        folder
    )
    assert (len(pair.others), len(single.others)) == (1, 0)
    assert pair.protocol is not None and pair.protocol.asks == ["choice"]
    assert single.truth is not None


def compared(folder: Path, mix: dict[str, TaskConfig], change: dict[str, Any], *, protocol: str) -> list[Row]:
    """Rows of a comparison whose first pair is changed."""
    pairs = read_jsonl(folder / "pairs-train.jsonl")
    write_jsonl(folder / "pairs-train.jsonl", [pairs[0] | change])
    return load_rows(folder, {"one": TaskConfig(protocol) if protocol else mix["comparison"]})


def test_a_protocol_that_shows_a_reference_is_shown_that_of_the_pair(folder: Path, mix: dict[str, TaskConfig]) -> None:
    pair, other = read_jsonl(folder / "pairs-train.jsonl")[0], load_samples(folder, "train")[-1]
    (row,) = compared(folder, mix, {"reference": other.id}, protocol="compare-reference")
    assert [sample.id for sample in row.samples] == [pair["image_a"], pair["image_b"], other.id]
    assert row.rating == sum(sample.rating for sample in row.samples[:2]) / 2
    shown = row.open(folder)
    assert len(shown.others) == 2
    # Without a place for it in the words the reference is not shown.
    assert len(compared(folder, mix, {"reference": other.id}, protocol="")[0].samples) == 2


def test_an_agent_is_shown_the_reference_behind_the_pair(scripted: Scripted, folder: Path) -> None:
    samples = load_samples(folder, "train")
    same = [replace(sample, reference=samples[0].image) for sample in samples]
    write_jsonl(folder / "train.jsonl", [sample.to_json() for sample in same])
    shown: list[int] = []

    def answer(conversation: Conversation) -> str:
        (turn,) = conversation.user_turns
        shown.append(len(turn.images))
        return "<think>\nhm\n</think>\n<answer>\nImage A\n</answer>"

    trainer = {"per_device_train_batch_size": 4, "num_generations": 2, "max_steps": 1}
    scripted(
        scripts=answer,
        data=str(folder),
        tasks={"one": TaskConfig("compare-reference")},
        rewards=RewardWeights(rank=0),
        trainer=trainer,
    )
    assert set(shown) == {3}


def test_the_file_that_both_images_name_as_theirs_stands_for_a_reference(
    folder: Path, mix: dict[str, TaskConfig]
) -> None:
    samples = load_samples(folder, "train")
    made = [replace(sample, reference=samples[0].image) for sample in samples]
    write_jsonl(folder / "train.jsonl", [sample.to_json() for sample in made])
    (row,) = compared(folder, mix, {}, protocol="compare-reference")
    assert row.samples[2].image == samples[0].image
    assert len(row.open(folder).others) == 2


@pytest.mark.parametrize("reference", [None, "nobody"])
def test_a_pair_without_the_reference_that_is_to_be_shown_is_refused(
    folder: Path, mix: dict[str, TaskConfig], reference: str | None
) -> None:
    wanted = r"line 1: the protocol shows a reference, and this pair's is .*`loupe data pairs same_reference=true`"
    with pytest.raises(DataError, match=wanted):
        compared(folder, mix, {"reference": reference}, protocol="compare-reference")


def test_images_that_nobody_rated_are_played_where_no_rating_is_asked_for(
    folder: Path, mix: dict[str, TaskConfig]
) -> None:
    first, *samples = load_samples(folder, "train")
    unrated = replace(first, rating=math.nan, mos=math.nan)
    write_jsonl(folder / "train.jsonl", [sample.to_json() for sample in (unrated, *samples)])
    rows = load_rows(folder, {name: mix[name] for name in ("score", "degradation")})
    assert Counter(row.task for row in rows) == {"score": len(samples), "degradation": len(samples) + 1}
    # The middle of the scale: a number that re-sampling can count.
    assert next(row for row in rows if row.id == first.id).rating == 3.0
    nobody = [replace(sample, rating=math.nan, mos=math.nan).to_json() for sample in samples]
    write_jsonl(folder / "train.jsonl", nobody)
    with pytest.raises(ConfigError, match=r"'score' asks for ratings and nobody rated these images"):
        load_rows(folder, {"score": mix["score"]})


def test_what_is_watched_over_time_is_asked_by_the_first_task_over_one_image(
    tmp_path: Path, small_run: Callable[..., GrpoConfig], mix: dict[str, TaskConfig]
) -> None:
    pairs_first = small_run(tmp_path, tasks={name: mix[name] for name in ("comparison", "score", "zoom")})
    images, protocol = watched(pairs_first)
    assert (len(images), protocol.name) == (1, "score")
    images, protocol = watched(small_run(tmp_path, tasks={"comparison": mix["comparison"]}))
    assert (images, protocol.name) == ([], "comparison")


def test_a_comparison_without_pairs_says_how_to_make_them(synthetic_folder: Path, mix: dict[str, TaskConfig]) -> None:
    wanted = rf"'comparison' compares images and {synthetic_folder} has no pairs; .*loupe data pairs data="
    with pytest.raises(ConfigError, match=wanted):
        load_rows(synthetic_folder, mix)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_a": "nobody"},
        {"image_a": None},
        {"choice": "the left one"},
        {"choice": None},
    ],
)
def test_a_pair_that_cannot_be_is_named_by_its_line(
    folder: Path, mix: dict[str, TaskConfig], wrong: dict[str, Any]
) -> None:
    pairs = read_jsonl(folder / "pairs-train.jsonl")
    write_jsonl(folder / "pairs-train.jsonl", [pairs[0], pairs[1] | wrong])
    with pytest.raises(DataError, match=r"pairs-train\.jsonl, line 2: .*wanted two training images and one of Image A"):
        load_rows(folder, {"comparison": mix["comparison"]})


def test_a_protocol_that_is_not_there_is_named(synthetic_folder: Path) -> None:
    with pytest.raises(MissingFileError, match="no protocol 'klingon'"):
        load_rows(synthetic_folder, {"one": TaskConfig("klingon")})


def test_a_task_that_nothing_pays_stops_the_run_before_it_begins(
    tmp_path: Path, small_run: Callable[..., GrpoConfig], mix: dict[str, TaskConfig]
) -> None:
    config = small_run(
        tmp_path / "run",
        tasks={"zoom": mix["zoom"], "degradation": mix["degradation"]},
        rewards=RewardWeights(format=0, score=1, degradation=0, rank=0, comparison=0),
    )
    with pytest.raises(ConfigError, match="the task 'degradation' asks for distortion_class, severity"):
        run_grpo(config)
    assert not (tmp_path / "run").exists()


def a_row(dataset: str, asks: str = "rating") -> Row:
    return Row("one", Protocol(asks=[asks]), (Sample("a", "a.png", dataset, "train", 3.0, 3.0),))


def test_images_that_have_nobody_to_be_ranked_against_are_refused() -> None:
    check_rank([a_row("x"), a_row("x"), a_row("y")], images=2)
    with pytest.raises(ConfigError, match="a step has 1 images and the largest data set 2"):
        check_rank([a_row("x"), a_row("x")], images=1)
    with pytest.raises(ConfigError, match="a step has 2 images and the largest data set 1"):
        check_rank([a_row("x"), a_row("y")], images=2)
    check_rank([a_row("x", "choice")], images=1)
