"""Every built-in protocol is played to its end: by a script that answers as it asks, and by the pocket model."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.bench.agent import load_policies
from loupe.bench.assess import Agents, AssessConfig, Judgement, assess
from loupe.bench.verdicts import last_word
from loupe.core.errors import ConfigError
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import StopReason
from loupe.core.sections import has_all
from loupe.zoom.layout import opening
from loupe.zoom.loop import LoopInput, play
from loupe.zoom.scripted import ScriptedPolicy

NAMES = sorted(
    item.name.removesuffix(".yaml")
    for item in (files("loupe.core") / "protocols").iterdir()
    if item.name.endswith(".yaml")
)
BOX = "[0.5, 0.5, 1.0, 1.0]"
PARTS = "{}: It is soft. Directions: A crisp wall on the left. Issues: Blur on the left wall. {}: It is a hard case."
LINES = "<think>\nI look.\n</think>\n<answer>\n{}\n</answer>"
REPLIES = {
    "score": ["<think>Soft.</think><answer>3.25</answer>"],
    "score-json": [LINES.format('{"rating": 3.25}')],
    "degradation": [LINES.format('{"distortion_class": "blur", "severity": "slight"}')],
    "compare": [LINES.format("Image A")],
    "compare-reference": [LINES.format("Similar")],
    "describe": ["<think>I look.</think><answer>Soft everywhere, clean otherwise.</answer>"],
    "zoom": [
        f'<think>Unsure.</think><answer>{{"bbox_2d": {box}, "rating": {rating}, "tool": "crop"}}</answer>'
        for box, rating in ((BOX, 2.5), ("[0.0, 0.0, 0.5, 0.5]", 3.0))
    ]
    + ['<think>Sure.</think><answer>{"rating": 3.25, "tool": "final"}</answer>'],
    "zoom-brief": [
        f'<think>Unsure.</think><answer>{{"bbox_2d": {BOX}, "rating": 2.5, "tool": "crop"}}</answer>',
        '<think>Sure.</think><answer>{"rating": 3.25, "tool": "final"}</answer>',
    ],
    "zoom-iqa": [
        f"<think>{PARTS.format('Summary', 'Decision')}</think>"
        f'<answer>{{"bbox_2d": {BOX}, "rating": 2.50, "tool": "crop"}}</answer>',
        f"<think>{PARTS.format('Inspection', 'Verdict')}</think>"
        '<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3.25, "tool": "final"}</answer>',
    ],
}
"""What an agent says that does as it is asked, turn by turn."""


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(5)
    return [Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)) for _ in range(count)]


def shown_by(protocol: Protocol) -> int:
    """Images of a protocol's first turn."""
    return 1 + sum(f"{{image{number}}}" in protocol.question for number in (2, 3))


def one_input(protocol: Protocol) -> LoopInput:
    image, *others = pictures(shown_by(protocol))
    return LoopInput("a", "a", image, others=tuple(others))


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_that_does_as_it_is_asked_is_understood_in_every_protocol(name: str) -> None:
    protocol = load_protocol(name)
    (played,) = play(ScriptedPolicy({"a": REPLIES[name]}), [one_input(protocol)], protocol)
    episode = played.episode
    assert episode.stop_reason is StopReason.FINAL and len(episode.turns) == len(REPLIES[name])
    word = last_word(episode, asks=protocol.asks)
    assert word is episode.turns[-1] and word.answer.well_formed
    if "rating" in protocol.asks:
        assert word.answer.rating == 3.25
    labels = [protocol.sections, *[protocol.later_sections] * (len(episode.turns) - 1)]
    assert all(has_all(turn.answer.think, asked) for turn, asked in zip(episode.turns, labels, strict=True))
    assert len(played.conversations) == (len(episode.turns) if protocol.layout == "segments" else 1)


@pytest.fixture(scope="module")
def pocket() -> Any:
    return load_policies("pocket-agent", load_protocol("zoom-brief"), temperatures=[0.0], batch_size=4)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_pocket_model_plays_every_protocol_to_an_end(name: str, pocket: Any) -> None:
    protocol = replace(load_protocol(name), max_new_tokens=40)
    (played,) = play(pocket, [one_input(protocol)], protocol)
    assert played.episode.turns and played.episode.stop_reason in StopReason
    assert all(turn.tokens <= 40 for turn in played.episode.turns)


def test_the_pocket_model_zooms_in_a_conversation_of_its_own(pocket: Any) -> None:
    apart = replace(
        load_protocol("zoom-brief"), layout="segments", recalled_question="Judge this image.",
        final_question="{image}{crop}The crop. Give the verdict.",
    )  # fmt: skip
    rng = np.random.default_rng(3)
    inputs = [
        LoopInput(str(number), str(number), Image.fromarray(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)))
        for number in range(6)
    ]
    played = play(pocket, inputs, apart)
    zoomed = [item for item in played if len(item.conversations) == 2]
    assert zoomed, "none of six images of noise made the pocket agent ask for a crop"
    assert all(item.conversations[1].recalled == 1 and item.episode.turns[1].text for item in zoomed)


def judged(name: str, tmp_path: Path, *, count: int = 1, **settings: Any) -> Judgement:
    paths = []
    for number, image in enumerate(pictures(count)):
        paths.append(tmp_path / f"{number}.png")
        image.save(paths[-1])
    script = ScriptedPolicy(lambda talk: REPLIES[name][len(talk.replies)])
    config = AssessConfig(protocol=name, samples=2, **settings)
    (judgement,) = assess(paths, config, agents=Agents(script, script))
    return judgement


def test_a_comparison_takes_two_pictures_and_a_reference_where_it_shows_one(tmp_path: Path) -> None:
    made = judged("compare", tmp_path, count=2)
    assert (made.choice, made.rating, made.problem) == ("Image A", None, None)
    pictures(1)[0].save(tmp_path / "r.png")
    with pytest.raises(ConfigError, match="give it with --reference"):
        judged("compare-reference", tmp_path, count=2)
    with pytest.raises(ConfigError, match="shows no reference"):
        judged("compare", tmp_path, count=2, reference=str(tmp_path / "r.png"))
    assert judged("compare-reference", tmp_path, count=2, reference=str(tmp_path / "r.png")).choice == "Similar"
    with pytest.raises(ConfigError, match="got 3; wanted two, image A"):
        judged("compare", tmp_path, count=3)


def test_what_is_no_rating_is_an_answer_all_the_same(tmp_path: Path) -> None:
    assert judged("describe", tmp_path).description == "Soft everywhere, clean otherwise."
    made = judged("degradation", tmp_path)
    assert (made.distortion_class, made.severity, made.rating, made.problem) == ("blur", "slight", None, None)


def test_an_answer_without_what_was_asked_for_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pictures(1)[0].save(path)
    script = ScriptedPolicy(lambda _: LINES.format('{"rating": 3}'))
    (made,) = assess([path], AssessConfig(protocol="degradation", samples=1), agents=Agents(script, script))
    assert (made.problem, made.distortion_class) == (
        "no usable answer (no distortion_class and severity given)", None,
    )  # fmt: skip


def test_a_rating_off_the_scale_is_cut_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pictures(1)[0].save(path)
    script = ScriptedPolicy(lambda _: '<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 85, "tool": "final"}</answer>')
    (made,) = assess([path], AssessConfig(protocol="zoom-iqa", samples=1), agents=Agents(script, script))
    assert made.rating == 5.0


def test_a_picture_whose_second_look_fails_keeps_its_first_rating_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pictures(1)[0].save(path)
    script = ScriptedPolicy(lambda talk: "no" if talk.replies else REPLIES["zoom-brief"][0])
    (made,) = assess([path], AssessConfig(samples=1), agents=Agents(script, script))
    assert (made.rating, made.kept_earlier, made.problem) == (2.5, True, None)


def test_words_of_ones_own_take_the_place_of_the_protocol_s_on_the_command_line(tmp_path: Path) -> None:
    pictures(1)[0].save(tmp_path / "a.png")
    (tmp_path / "words.yaml").write_text("question: 'Judge this image. You may crop.{image}'\n")
    line = [sys.executable, "-m", "loupe.cli.main", "assess", "a.png", "--json", "-n", "1", "--prompts", "words.yaml"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["image"] == "a.png", done.stderr
    (tmp_path / "words.yaml").write_text("questoin: 'x'\n")
    failed = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and "did you mean question?" in failed.stderr


def test_every_protocol_shows_what_it_names() -> None:
    for name in NAMES:
        protocol = load_protocol(name)
        turn = opening(protocol, pictures(shown_by(protocol)), key="a", sample_id="a").user_turns[0]
        assert len(turn.images) == shown_by(protocol)
        assert "{" not in turn.text.replace("{image}", "")
