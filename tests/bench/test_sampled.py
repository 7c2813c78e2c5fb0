"""Several judgements of an image: played, resumed, averaged; and what their spread says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.bench.agent import Agents
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.predictions import Prediction, append_predictions, read_predictions
from loupe.bench.sampled import Judged, judged_images, sampled, sampled_by_look
from loupe.core.answer import answer_of, parse, render
from loupe.core.policy import Conversation, Reply
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


def prediction(sample: Sample, rating: float | None, attempt: int) -> Prediction:
    text = "hm" if rating is None else render(answer_of("I see.", rating=rating, tool="final"))
    turn = Turn(WHOLE, text, parse(text), tokens=3, seconds=0.1)
    return Prediction(sample, "decided", Episode(sample.id, (turn,), StopReason.FINAL), attempt)


def test_the_rating_is_the_mean_of_usable_attempts_and_the_first_one_stands_beside_it() -> None:
    sample = make_sample(1)
    (image,) = judged_images([prediction(sample, rating, number) for number, rating in enumerate((2.0, None, 4.0))])
    assert (image.first, image.rating, image.attempts) == (2.0, 3.0, 3)
    # Deviations of one from the mean of two numbers: sqrt(2).
    assert image.spread == pytest.approx(2**0.5)


def test_an_image_that_no_attempt_rates_is_mid_scale_and_counted() -> None:
    (image,) = judged_images([prediction(make_sample(1), None, number) for number in range(2)])
    assert (image.first, image.rating, image.spread) == (3.0, None, None)
    found = sampled([image, image, image], n_boot=0)
    assert (found.n, found.unrated, found.unusable, found.n_spread) == (3, 3, 6, 0)


def test_averaging_mends_a_first_answer_that_is_wrong_and_spread_follows_the_error() -> None:
    # The first answer has the order reversed, the mean has it right; the spread grows with the error by construction.
    labels = (1.0, 2.0, 3.0, 4.0)
    images = [
        Judged(f"s{at}", f"r{at}", label, first=5 - label, ratings=(label + 0.1 * at, label + 0.3 * at), attempts=2)
        for at, label in enumerate(labels)
    ]
    found = sampled(images, n_boot=0)
    assert found.first.srcc.value == pytest.approx(-1.0)
    assert found.mean.srcc.value == pytest.approx(1.0)
    assert found.gain_srcc.value == pytest.approx(2.0)
    assert found.spread_error.value == pytest.approx(1.0)
    # Two numbers .2 x at apart have a standard deviation of .2 x at / sqrt(2); their mean over 0..3 is .3 / sqrt(2).
    assert found.spread.value == pytest.approx(0.3 / 2**0.5)


def test_images_that_nobody_rated_are_left_out() -> None:
    images = [Judged(f"s{at}", f"r{at}", float("nan") if at else 2.0, 2.0, (2.0, 2.5), 2) for at in range(4)]
    assert sampled(images, n_boot=0).n == 1


def test_there_are_no_figures_where_each_image_was_judged_once() -> None:
    assert sampled_by_look([prediction(make_sample(at), 2.0, 0) for at in range(3)]) == {}


def test_readers_get_the_first_attempt_unless_they_ask_and_old_files_have_no_other(tmp_path: Path) -> None:
    rows = [prediction(make_sample(1), rating, number) for number, rating in enumerate((2.0, 4.0))]
    append_predictions(tmp_path / "p.jsonl", rows)
    assert read_predictions(tmp_path / "p.jsonl") == rows[:1]
    assert read_predictions(tmp_path / "p.jsonl", attempts=True) == rows
    old = rows[0].to_json()
    del old["attempt"]
    (tmp_path / "old.jsonl").write_text(json.dumps(old) + "\n")
    assert read_predictions(tmp_path / "old.jsonl") == rows[:1]


def settings(data: Path, **changes: object) -> EvaluateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "n_boot": 20, "trails": 2, "chunk": 4}
    return EvaluateConfig(**{**plain, "looks": ["decided"], "samples": 3, **changes})  # type: ignore[arg-type]


def drawn(conversation: Conversation) -> Reply:
    """Off by a quarter, upwards and downwards by the number of the attempt."""
    name, _, attempt = conversation.key.partition("#")
    rating = rating_of(name) + (0.25 if int(attempt) % 2 else -0.25)
    return Reply(render(answer_of("I see.", rating=min(5.0, max(1.0, rating)), tool="final")))


def test_the_first_attempt_is_greedy_and_the_others_are_drawn(data_folder: Build, agent: ScriptedPolicy) -> None:
    drawing = ScriptedPolicy(drawn)
    config = settings(data_folder(8))
    seen: list[tuple[int, int]] = []
    summary = evaluate(config, policy=Agents(agent, drawing), progress=lambda done, total: seen.append((done, total)))
    asked = {item.key for call in agent.seen for item in call}
    assert asked == {f"s{number:03d}#0" for number in range(8)}
    assert {item.key[-2:] for call in drawing.seen for item in call} == {"#1", "#2"}
    assert seen[-1] == (24, 24)
    # What scores is the first attempt; the others are beside it.
    assert summary.looks["decided"].all.n == 8
    found = summary.sampled["decided"]
    assert (found.n, found.samples) == (8, 3)
    assert found.first.srcc.value == pytest.approx(1.0)
    written = json.loads((Path(config.out) / "summary.json").read_text())
    assert written["sampled"]["decided"]["mean"]["srcc"][0] == pytest.approx(found.mean.srcc.value)
    assert written["protocol"]["decoding"] == "greedy; beside it 2 sampled at temperature 1.0"


def test_a_torn_run_of_several_attempts_is_resumed_to_the_same_result(
    data_folder: Build, agent: ScriptedPolicy
) -> None:
    data = data_folder(8)
    whole = evaluate(settings(data, out=str(data.parent / "whole")), policy=Agents(agent, ScriptedPolicy(drawn)))

    def dies(conversation: Conversation) -> Reply:
        if conversation.key == "s006#1":
            raise KeyboardInterrupt
        return drawn(conversation)

    with pytest.raises(KeyboardInterrupt):
        evaluate(settings(data), policy=Agents(agent, ScriptedPolicy(dies)))
    path = Path(settings(data).out) / "predictions.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    assert len(kept) == 4 * 3 + 4
    path.write_text("".join(kept[:-1]) + kept[-1][:30])
    drawing = ScriptedPolicy(drawn)
    again = evaluate(settings(data, resume=True), policy=Agents(agent, drawing))
    assert {item.key for call in drawing.seen for item in call} == {
        f"s{number:03d}#{attempt}" for number in range(4, 8) for attempt in (1, 2)
    }
    assert json.dumps(again.to_json()["sampled"]) == json.dumps(whole.to_json()["sampled"])
    assert len(read_predictions(path, attempts=True)) == 24


@pytest.mark.parametrize(("changes", "words"), [({"samples": 0}, "samples"), ({"draw_temperature": 0.0}, "draw_temp")])
def test_settings_of_sampling_that_cannot_be_are_refused(
    data_folder: Build, agent: ScriptedPolicy, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(settings(data_folder(2), **changes), policy=agent)
