"""Tiny data folders and agents that read the truth from a script."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.core.answer import answer_of, render
from loupe.core.policy import Conversation, Reply
from loupe.core.records import DISTORTION_CLASSES, Degradation, Sample, severity_word
from loupe.zoom.scripted import ScriptedPolicy

LOCAL = (0.5, 0.0, 1.0, 0.5)


def make_sample(number: int) -> Sample:
    """Samples go round through clean, the six classes and local or global damage; every second one is hard."""
    level = number % 6
    name = DISTORTION_CLASSES[number % 6] if level else None
    region = (LOCAL if number % 2 else (0.0, 0.0, 1.0, 1.0)) if level else None
    return Sample(
        id=f"s{number:03d}",
        image=f"images/s{number:03d}.png",
        dataset="tiny",
        split="test",
        rating=round(5 - 0.7 * level - 0.01 * number, 2),
        mos=5.0 - 0.7 * level,
        ref_id=f"ref{number // 2}",
        degradation=Degradation(name, level, region),
        hard=bool(number % 2),
    )


@pytest.fixture
def samples() -> Callable[[int], list[Sample]]:
    return lambda count: [make_sample(number) for number in range(count)]


@pytest.fixture
def data_folder(tmp_path: Path) -> Callable[[int], Path]:
    def build(count: int) -> Path:
        folder = tmp_path / "data"
        (folder / "images").mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = [make_sample(number) for number in range(count)]
        for row in rows:
            Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / row.image)
        (folder / "test.jsonl").write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))
        return folder

    return build


def truthful(conversation: Conversation) -> Reply:
    """Asks for a crop of the damaged region of every hard image, and tells the truth in the end; guesses 3 before."""
    sample = make_sample(int(conversation.key[1:4]))
    damage = sample.degradation
    assert damage is not None
    if sample.hard and not conversation.replies and "No crop" not in conversation.user_turns[0].text:
        answer = answer_of("Let me see.", rating=3.0, bbox_2d=LOCAL, tool="crop")
    else:
        answer = answer_of(
            "I see.",
            distortion_class=damage.distortion_class,
            severity=severity_word(damage.severity),
            bbox_2d=damage.bbox_2d,
            rating=sample.rating,
            tool="final",
        )
    return Reply(render(answer), token_ids=(1, 2, 3), seconds=0.1)


@pytest.fixture
def agent() -> ScriptedPolicy:
    return ScriptedPolicy(truthful)
