"""The modes side by side: the same images, one row a chunk, resumable; figures by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.bench.agent import Agents
from loupe.bench.correlate import Interval
from loupe.bench.modes.config import ModesConfig
from loupe.bench.modes.figures import ModeFigures, figures, front
from loupe.bench.modes.mode import modes
from loupe.bench.modes.play import Chunk, read_chunks
from loupe.bench.modes.plot import modes_png
from loupe.bench.modes.run import compare_modes
from loupe.bench.modes.table import difference_table, markdown, mode_table
from loupe.bench.predictions import Prediction
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError
from loupe.core.policy import Conversation, Reply
from loupe.core.rater import Rated
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]


def rating_of(key: str) -> float:
    """Rating of the sample of a key such as s003#1, as the folder of `data_folder` labels it."""
    number = int(key[1:4])
    return round(5 - 0.7 * (number % 6) - 0.01 * number, 2)


def make_sample(number: int) -> Sample:
    rating = round(5 - 0.7 * (number % 6) - 0.01 * number, 2)
    return Sample(f"s{number:03d}", f"images/s{number:03d}.png", "tiny", "test", rating, rating, ref_id=f"r{number}")


class Rater:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def rate(self, conversations: list[Conversation], *, opening: str) -> list[Rated]:
        self.asked += [item.key for item in conversations]
        return [Rated(3.0 + 0.1 * int(item.key[3]), 3.0, 0.9) for item in conversations]


def says(conversation: Conversation) -> Reply:
    rating = rating_of(conversation.key)
    return Reply(render(answer_of("I see.", rating=rating, tool="final")), token_ids=(1, 2, 3))


def settings(data: Path, **changes: object) -> ModesConfig:
    plain = {"data": str(data), "out": str(data.parent / "modes"), "n_boot": 20, "chunk": 4, "samples": 3}
    return ModesConfig(**{**plain, **changes})  # type: ignore[arg-type]


def test_every_mode_judges_the_same_images_and_the_files_agree(data_folder: Build) -> None:
    config, greedy, drawing = settings(data_folder(10)), ScriptedPolicy(says), ScriptedPolicy(says)
    seen: list[tuple[int, int]] = []
    path = compare_modes(
        config,
        agents=Agents(greedy, drawing, Rater()),  # type: ignore[arg-type]
        progress=lambda done, total, now: seen.append((done, total)),
    )
    found = json.loads(path.read_text())
    assert [row["name"] for row in found["modes"]] == ["fast", "reasoning", "zoom", "zoom-samples"]
    assert [row["n"] for row in found["modes"]] == [10] * 4
    assert [row["tokens"] for row in found["modes"]] == [0, 3, 3, 9]
    assert found["modes"][0]["speed"][0] == 1.0
    assert found["modes"][1]["srcc"][0] == pytest.approx(1.0)
    assert len(found["differences"]) == 3 + 2
    assert seen[-1] == (40, 40)
    chunks = read_chunks(path.with_name("played.jsonl"))
    assert sorted({(item.mode, item.start) for item in chunks}) == sorted(
        (kind.name, start) for kind in modes(3) for start in (0, 4, 8)
    )
    # Which mode begins moves on from chunk to chunk.
    assert [item.mode for item in chunks[::4]] == ["fast", "reasoning", "zoom"]
    assert path.with_name("modes.md").read_text() == markdown(found)
    assert path.with_name("modes.png").read_bytes()[:4] == b"\x89PNG"
    assert {item.key[-2:] for call in drawing.seen for item in call} == {"#1", "#2"}


def test_no_mode_is_shown_the_image_objects_of_another(data_folder: Build) -> None:
    greedy = ScriptedPolicy(says)
    compare_modes(settings(data_folder(4)), agents=Agents(greedy, ScriptedPolicy(says), Rater()))  # type: ignore[arg-type]
    shown = [id(item.user_turns[0].images[0]) for call in greedy.seen for item in call]
    # Reasoning, zoom and the first of several, after a warm-up of the same three.
    assert len(shown) == 6 * 4
    assert len(set(shown)) == len(shown)


def test_a_torn_run_goes_on_with_the_chunks_that_are_missing(data_folder: Build) -> None:
    data = data_folder(10)

    def dies(conversation: Conversation) -> Reply:
        if conversation.key.startswith("s009"):
            raise KeyboardInterrupt
        return says(conversation)

    with pytest.raises(KeyboardInterrupt):
        compare_modes(settings(data), agents=Agents(ScriptedPolicy(dies), ScriptedPolicy(says), Rater()))  # type: ignore[arg-type]
    path = Path(settings(data).out) / "played.jsonl"
    before = len(read_chunks(path))
    assert before >= 8
    with path.open("a") as stream:
        stream.write('{"mode": "zo')
    rater = Rater()
    compare_modes(settings(data, resume=True), agents=Agents(ScriptedPolicy(says), ScriptedPolicy(says), rater))  # type: ignore[arg-type]
    assert len(read_chunks(path)) == 12
    assert not {"s000#0", "s004#0"} & set(rater.asked[2:])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": 1}, "samples: got 1"),
        ({"chunk": 0}, "chunk"),
        ({"limit": 0}, "limit"),
        ({"protocol": "compare"}, "asks for"),
    ],
)
def test_settings_that_cannot_be_are_refused(data_folder: Build, changes: dict[str, object], words: str) -> None:
    config = settings(data_folder(2), **changes)
    with pytest.raises(ConfigError, match=words):
        compare_modes(config, agents=Agents(ScriptedPolicy(says), ScriptedPolicy(says), Rater()))  # type: ignore[arg-type]
    assert not Path(config.out).exists()


def test_images_that_nobody_rated_are_refused_before_any_work(data_folder: Build) -> None:
    policy, rater = ScriptedPolicy(says), Rater()
    with pytest.raises(DataError, match="2 images have an opinion; wanted 3 at least"):
        compare_modes(settings(data_folder(2)), agents=Agents(policy, policy, rater))  # type: ignore[arg-type]
    assert (policy.calls, rater.asked) == (0, [])


def test_a_mode_without_any_agreement_has_a_row_and_a_picture(data_folder: Build) -> None:
    silent = ScriptedPolicy(lambda conversation: Reply("no idea"))
    path = compare_modes(settings(data_folder(6)), agents=Agents(silent, silent, Rater()))  # type: ignore[arg-type]
    rows = json.loads(path.read_text())["modes"]
    assert [row["srcc"][0] is None for row in rows] == [False, True, True, True]
    assert path.with_name("modes.png").stat().st_size > 1000


def test_a_figure_outside_of_its_interval_has_a_picture(data_folder: Build) -> None:
    policy = ScriptedPolicy(says)
    path = compare_modes(settings(data_folder(6)), agents=Agents(policy, policy, Rater()))  # type: ignore[arg-type]
    data = json.loads(path.read_text())
    data["modes"][0]["srcc"] = [0.5, 0.6, 0.7]
    assert modes_png(data).startswith(b"\x89PNG")


def test_a_row_of_another_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "played.jsonl").write_text('{"mode": "zoom"}\n')
    with pytest.raises(DataError, match=r"played\.jsonl, row 1"):
        read_chunks(tmp_path / "played.jsonl")


def chunk(name: str, start: int, cpu: float, *, attempts: int = 1) -> Chunk:
    def row(number: int, attempt: int) -> Prediction:
        item = make_sample(number)
        turn = Turn(WHOLE, "", answer_of(rating=item.rating, tool="final"), tokens=5, seconds=0.1)
        return Prediction(item, "decided", Episode(item.id, (turn,), StopReason.FINAL), attempt)

    rows = tuple(row(number, attempt) for attempt in range(attempts) for number in range(start, start + 2))
    return Chunk(name, start, 2, cpu, 2 * cpu, rows)


def test_speed_is_processor_time_against_the_first_mode_and_tokens_are_an_image() -> None:
    kinds = modes(2)
    seconds = {"fast": 1.0, "reasoning": 2.0, "zoom": 4.0, "zoom-samples": 8.0}
    chunks = [
        chunk(kind.name, start, seconds[kind.name], attempts=kind.attempts) for kind in kinds for start in (0, 2, 4)
    ]
    found = figures(chunks, kinds, n_boot=20)
    assert [row["speed"] for row in found["modes"]] == [(1, 1, 1), (0.5,) * 3, (0.25,) * 3, (0.125,) * 3]
    assert [row["images_a_second"] for row in found["modes"]] == [2.0, 1.0, 0.5, 0.25]
    assert [row["tokens"] for row in found["modes"]] == [5, 5, 5, 10]
    assert [row["srcc"][0] for row in found["differences"]] == pytest.approx([0.0] * 5)
    # All reach the same, so that the fastest alone is worth its price.
    assert found["front"] == ["fast"]
    assert [row[0] for row in mode_table({**found, "model": "x"}).rows] == [kind.words for kind in kinds]
    assert len(difference_table(found).rows) == 5


def test_the_front_leaves_out_what_another_mode_beats_in_both() -> None:
    def row(name: str, speed: float, srcc: float) -> ModeFigures:
        cell = Interval(srcc, srcc, srcc)
        return ModeFigures(name, name, 9, 0, cell, cell, 1.0, Interval(speed, speed, speed), 1.0, 0.0, 1.0, 1.0)

    rows = [row("fast", 1.0, 0.7), row("slow", 0.1, 0.9), row("beaten", 0.1, 0.8), row("middle", 0.5, 0.8)]
    assert front(rows) == ["fast", "middle", "slow"]
