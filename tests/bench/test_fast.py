"""The fast mode gives episodes that nobody can take for reasoning, in evaluation and for single pictures."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from loupe.bench.agent import Agents
from loupe.bench.assess import AssessConfig, assess
from loupe.bench.audit.config import AuditConfig, check
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.fast import fast_episodes
from loupe.bench.predictions import FAST, read_predictions
from loupe.core.errors import ConfigError, ModelError
from loupe.core.policy import Conversation
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.rater import Rated
from loupe.core.records import StopReason
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]


def rating_of(key: str) -> float:
    """Rating of the sample of a key such as s003#1, as the folder of `data_folder` labels it."""
    number = int(key[1:4])
    return round(5 - 0.7 * (number % 6) - 0.01 * number, 2)


class ScriptedRater:
    """Rates by a function of the conversation and remembers what it was asked."""

    def __init__(self, script: Callable[[Conversation], Rated]) -> None:
        self._script = script
        self.asked: list[Conversation] = []
        self.openings: list[str] = []

    def rate(self, conversations: Sequence[Conversation], *, opening: str) -> list[Rated]:
        self.asked += conversations
        self.openings.append(opening)
        return [self._script(conversation) for conversation in conversations]


def truth(conversation: Conversation) -> Rated:
    rating = rating_of(conversation.key)
    return Rated(rating, round(rating, 1), mass=0.99, seconds=0.01)


def mute(_conversation: Conversation) -> str:
    pytest.fail("the fast mode asked for a reply")


def agents(rater: ScriptedRater | None) -> Agents:
    silent = ScriptedPolicy(mute)
    return Agents(silent, silent, rater)


def settings(data: Path, **changes: object) -> EvaluateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "n_boot": 20, "trails": 2, "chunk": 5, "fast": True}
    return EvaluateConfig(**{**plain, **changes})  # type: ignore[arg-type]


def test_ratings_are_scored_without_a_word_and_marked_as_read_off(data_folder: Build) -> None:
    rater, config = ScriptedRater(truth), settings(data_folder(12))
    summary = evaluate(config, policy=agents(rater))
    assert list(summary.looks) == [FAST]
    scores = summary.looks[FAST].all
    assert scores.expected is not None
    assert scores.expected.all.srcc.value == pytest.approx(1.0)
    rows = read_predictions(Path(config.out) / "predictions.jsonl")
    assert {row.episode.stop_reason for row in rows} == {StopReason.READ_OFF}
    assert {row.episode.turns[0].tokens for row in rows} == {0}
    assert rows[0].episode.turns[0].text == load_protocol("zoom-brief").fast_opening
    assert not rows[0].episode.turns[0].answer.well_formed
    block = json.loads((Path(config.out) / "summary.json").read_text())["protocol"]
    assert block["decoding"].startswith("no reply: the expected rating behind")


def test_the_question_is_that_of_no_zoom(data_folder: Build) -> None:
    rater = ScriptedRater(truth)
    evaluate(settings(data_folder(3)), policy=agents(rater))
    assert {item.user_turns[0].text for item in rater.asked} == {"Judge this image. No crop."}
    assert set(rater.openings) == {load_protocol("zoom-brief").fast_opening}


def test_a_fast_run_is_resumed_where_it_stopped(data_folder: Build) -> None:
    data = data_folder(12)

    def dies(conversation: Conversation) -> Rated:
        if conversation.key.startswith("s007"):
            raise KeyboardInterrupt
        return truth(conversation)

    with pytest.raises(KeyboardInterrupt):
        evaluate(settings(data), policy=agents(ScriptedRater(dies)))
    rater = ScriptedRater(truth)
    evaluate(settings(data, resume=True), policy=agents(rater))
    assert [item.key for item in rater.asked] == [f"s{number:03d}#0" for number in range(5, 12)]


def test_where_a_rating_is_improbable_the_episode_is_unusable_with_the_reason(data_folder: Build) -> None:
    rater = ScriptedRater(lambda conversation: Rated(3.0, 3.0, mass=0.1))
    config = settings(data_folder(3))
    assert evaluate(config, policy=agents(rater)).looks[FAST].all.unusable == 3
    (row, *_) = read_predictions(Path(config.out) / "predictions.jsonl")
    assert row.episode.turns[0].answer.problem == "ratings have 10% of the agent's distribution where one is to stand"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol": "degradation"}, "asks for distortion_class"),
        ({"samples": 2}, "nothing is drawn"),
    ],
)
def test_what_cannot_be_read_off_is_refused(data_folder: Build, changes: dict[str, object], words: str) -> None:
    config = settings(data_folder(3), **changes)
    with pytest.raises(ConfigError, match=words):
        evaluate(config, policy=agents(ScriptedRater(truth)))
    assert not Path(config.out).exists()


def test_a_protocol_without_an_opening_and_an_agent_without_ratings_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no fast_opening"):
        fast_episodes(ScriptedRater(truth), [], Protocol())
    with pytest.raises(ConfigError, match="can only write"):
        fast_episodes(None, [], load_protocol("zoom-brief"))


def test_a_rater_that_leaves_one_out_is_a_defect_that_is_named(data_folder: Build) -> None:
    rater = ScriptedRater(truth)
    rater.rate = lambda conversations, *, opening: []  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="got 0 ratings of 3 images"):
        evaluate(settings(data_folder(3)), policy=agents(rater))


def test_every_protocol_that_ships_and_asks_for_a_rating_has_an_opening() -> None:
    for name in ("zoom", "zoom-brief", "zoom-iqa", "score", "score-json"):
        assert load_protocol(name).fast_opening.rstrip().endswith(('"rating":', "<answer>")), name


def test_a_picture_is_assessed_in_one_look_without_a_word(data_folder: Build) -> None:
    rater = ScriptedRater(lambda conversation: Rated(2.25, 2.0, mass=0.9))
    path = data_folder(2) / "images" / "s000.png"
    (judgement,) = assess([path], AssessConfig(fast=True), agents=agents(rater))
    assert (judgement.rating, judgement.spread, judgement.problem) == (2.25, None, None)
    assert judgement.asks == ("rating",)
    assert len(judgement.samples) == 1


@pytest.mark.parametrize("changes", [{"fast": True}, {"samples": 2}])
def test_an_audit_of_zooming_is_of_single_answers_with_looks(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="leave fast and samples out"):
        check(AuditConfig(**changes))  # type: ignore[arg-type]
