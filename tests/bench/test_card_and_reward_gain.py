import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loupe.bench.card import write_card
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.reward_gain import reward_gain
from loupe.core.errors import DataError
from loupe.core.policy import Conversation, Reply
from loupe.core.protocol import load_protocol
from loupe.core.runs import open_run
from loupe.rewards.joint import JointReward
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]
PROTOCOL = load_protocol("zoom-brief")


def one_answer(conversation: Conversation) -> Reply:
    body = {"distortion_class": "noise", "severity": "slight", "bbox_2d": None, "rating": 3.0, "tool": "final"}
    return Reply(f"<think>It is so.</think><answer>{json.dumps(body)}</answer>")


@pytest.fixture
def evaluated(data_folder: Build, agent: ScriptedPolicy, tmp_path: Path) -> dict[str, Path]:
    """The same twelve images judged by an agent that is always right and by one that always says the same."""
    config = EvaluateConfig(data=str(data_folder(12)), n_boot=50)
    folders = {"right": tmp_path / "right", "same": tmp_path / "same"}
    evaluate(replace(config, out=str(folders["right"])), policy=agent)
    evaluate(replace(config, out=str(folders["same"])), policy=ScriptedPolicy(one_answer))
    return folders


def test_the_better_agent_earns_more_and_the_interval_says_so(evaluated: dict[str, Path]) -> None:
    gain = reward_gain(evaluated["same"], evaluated["right"], PROTOCOL, reward=JointReward())
    assert gain.second > gain.first
    value, low, high = gain.difference
    assert value == pytest.approx(gain.second - gain.first)
    assert 0 < low <= value <= high


def test_an_agent_gains_nothing_over_itself(evaluated: dict[str, Path]) -> None:
    gain = reward_gain(evaluated["right"], evaluated["right"], PROTOCOL, reward=JointReward())
    assert gain.difference == pytest.approx((0, 0, 0))


def test_evaluations_of_other_images_are_not_compared(
    evaluated: dict[str, Path], agent: ScriptedPolicy, tmp_path: Path
) -> None:
    few = EvaluateConfig(data=str(tmp_path / "data"), out=str(tmp_path / "few"), limit=6, n_boot=20)
    evaluate(few, policy=agent)
    with pytest.raises(DataError, match="same split"):
        reward_gain(evaluated["right"], tmp_path / "few", PROTOCOL, reward=JointReward())


def test_a_card_holds_figures_settings_and_what_a_constant_guess_reaches(
    evaluated: dict[str, Path], tmp_path: Path
) -> None:
    training = tmp_path / "training"
    run = open_run(training, EvaluateConfig(seed=4711))
    run.log(10, loss=1.0)
    run.log(25, loss=0.5, seconds=3725.0)
    model = training / "model"
    model.mkdir()
    figures = {"test images": evaluated["right"]}
    text = write_card("pocket-agent", model, stage="sft", training=training, evaluations=figures).read_text()
    assert text.startswith("# pocket-agent")
    assert "seed: 4711" in text
    assert "took 25 steps" in text
    assert "no judge of real photographs" in text
    rows = [line for line in text.splitlines() if line.startswith("| test images")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "test images, zoom as decided",
        "test images, without zoom",
        "test images, a constant guess",
    ]
    assert all(row.split("|")[2].strip() == "12" for row in rows)


def test_a_run_without_a_total_is_charged_its_steps(evaluated: dict[str, Path], tmp_path: Path) -> None:
    run = open_run(tmp_path / "training", EvaluateConfig())
    for step in (1, 2):
        run.log(step, step_time=30.5)
    (tmp_path / "model").mkdir()
    figures = {"test images": evaluated["right"]}
    card = write_card("pocket-agent", tmp_path / "model", stage="grpo", training=run.path, evaluations=figures)
    assert "took 2 steps in 1 min 01 s" in card.read_text()
