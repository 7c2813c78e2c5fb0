import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.summary import Summary
from loupe.core.errors import ConfigError, DataError, ImageError, MissingFileError
from loupe.core.policy import Conversation, Reply
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]


def settings(data: Path, **changes: object) -> EvaluateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "n_boot": 50, "trails": 4, "chunk": 5}
    return EvaluateConfig(**{**plain, **changes})  # type: ignore[arg-type]


def lines(config: EvaluateConfig) -> list[str]:
    return (Path(config.out) / "predictions.jsonl").read_text().splitlines(keepends=True)


def figures(summary: Summary) -> str:
    """As text, in which one NaN is like another."""
    return json.dumps([summary.to_json()[name] for name in ("looks", "gains")])


def test_an_agent_that_tells_the_truth_scores_full_marks(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(12))
    seen: list[tuple[int, int]] = []
    summary = evaluate(config, policy=agent, progress=lambda done, total: seen.append((done, total)))
    for look in ("decided", "never", "random", "truth"):
        scores = summary.looks[look].all
        assert (scores.n, scores.unusable) == (12, 0)
        assert scores.expected.all.srcc.value == pytest.approx(1.0)
        assert scores.recognition.class_accuracy.value == 1.0
        assert scores.recognition.severity_accuracy.value == 1.0
    decided = summary.looks["decided"]
    assert decided.hard is not None
    assert decided.easy is not None
    assert (decided.hard.zooming.rate.value, decided.easy.zooming.rate.value) == (1.0, 0.0)
    assert summary.looks["never"].all.zooming.rate.value == 0.0
    assert summary.looks["truth"].all.zooming.crop_iou.value == pytest.approx(1.0)
    assert summary.looks["random"].all.zooming.crop_iou.value < 1.0
    assert seen[-1] == (48, 48)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_summary_on_disk_says_what_was_asked_of_whom(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(6))
    summary = evaluate(config, policy=agent)
    written = json.loads((Path(config.out) / "summary.json").read_text())
    block = written["protocol"]
    assert block["protocol"] == "zoom-brief"
    assert len(block["fingerprint"]) == 12
    assert block["decoding"] == "greedy"
    assert block["model"] == "a policy of the caller"
    assert len(next(iter(block["data_sha256"].values()))) == 64
    assert "numpy" in block["versions"]
    assert written["looks"]["decided"]["all"]["n"] == summary.looks["decided"].all.n


def test_looks_that_begin_alike_ask_for_their_first_turn_once(data_folder: Build, agent: ScriptedPolicy):
    evaluate(settings(data_folder(6), chunk=6), policy=agent)
    asked = [conversation for call in agent.seen for conversation in call]
    first = [conversation for conversation in asked if not conversation.replies]
    # Six overviews with the question of the zooming looks and six with that of no zoom; three looks add their crops.
    assert len(first) == 12
    assert len(asked) - len(first) <= 3 * 3


def test_a_torn_file_is_resumed_to_the_same_result_and_only_what_is_missing_is_played(
    data_folder: Build, agent: ScriptedPolicy
):
    data = data_folder(12)
    whole = settings(data, out=str(data.parent / "whole"))
    expected = evaluate(whole, policy=agent)
    config = settings(data)

    def dies(conversation: Conversation) -> Reply:
        if conversation.key.startswith("s007"):
            raise KeyboardInterrupt
        return agent.respond([conversation], seed=0)[0]

    with pytest.raises(KeyboardInterrupt):
        evaluate(config, policy=ScriptedPolicy(dies))
    kept = lines(config)
    assert len(kept) == 5 * 4
    # A kill in the middle of a write leaves half of a line.
    path = Path(config.out) / "predictions.jsonl"
    path.write_text("".join(kept[:-1]) + kept[-1][:40])
    counting = ScriptedPolicy(lambda conversation: agent.respond([conversation], seed=0)[0])
    found = evaluate(settings(data, resume=True), policy=counting)
    asked = {conversation.key for call in counting.seen for conversation in call}
    assert not asked & {"s000#0", "s001#0", "s002#0", "s003#0"}
    assert len(lines(config)) == 48
    assert figures(found) == figures(expected)


def test_a_complete_run_is_summed_up_again_without_an_agent(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(6)
    first = evaluate(settings(data), policy=agent)
    calls = agent.calls
    again = evaluate(settings(data, resume=True), policy=agent)
    assert agent.calls == calls
    assert figures(again) == figures(first)


def test_results_are_not_written_over_nor_mixed_with_others(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(6)
    evaluate(settings(data), policy=agent)
    with pytest.raises(ConfigError, match="resume=true"):
        evaluate(settings(data), policy=agent)
    with pytest.raises(ConfigError, match="seed"):
        evaluate(settings(data, resume=True, seed=1), policy=agent)


def test_the_chunk_size_does_not_change_the_result(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(7)
    one = evaluate(settings(data, chunk=1, out=str(data.parent / "one")), policy=agent)
    all_at_once = evaluate(settings(data, chunk=100, out=str(data.parent / "all")), policy=agent)
    assert figures(one) == figures(all_at_once)


def test_unusable_answers_are_counted(data_folder: Build):
    summary = evaluate(settings(data_folder(6), looks=["decided"]), policy=ScriptedPolicy(lambda conversation: "hm"))
    scores = summary.looks["decided"].all
    assert (scores.unusable, scores.unusable_share) == (6, 1.0)
    assert scores.recognition.class_accuracy.value == 0.0
    assert scores.expected.usable.n == 0
    assert summary.gains == {}


def test_limit_takes_the_first_images(data_folder: Build, agent: ScriptedPolicy):
    summary = evaluate(settings(data_folder(6), limit=4), policy=agent)
    assert summary.looks["decided"].all.n == 4


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"looks": ["sideways"]}, ConfigError, "wanted one or more of decided"),
        ({"looks": []}, ConfigError, "looks"),
        ({"chunk": 0}, ConfigError, "chunk: got 0"),
        ({"limit": 0}, ConfigError, "limit: got 0"),
        ({"split": "exam"}, MissingFileError, r"exam\.jsonl; make the folder"),
        ({"protocol": "silence"}, MissingFileError, "no protocol 'silence'"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_any_work(
    data_folder: Build, agent: ScriptedPolicy, changes: dict[str, object], error: type[Exception], words: str
):
    config = settings(data_folder(3), **changes)
    with pytest.raises(error, match=words):
        evaluate(config, policy=agent)
    assert agent.calls == 0
    assert not Path(config.out).exists()


def test_a_path_that_leaves_the_data_folder_is_refused(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(3)
    path = data / "test.jsonl"
    path.write_text(path.read_text().replace("images/s001.png", "../../secret.png"))
    with pytest.raises(DataError, match="leads out of"):
        evaluate(settings(data), policy=agent)


def test_a_broken_image_is_named(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(3)
    (data / "images" / "s001.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"s001\.png"):
        evaluate(settings(data), policy=agent)


def test_a_split_without_samples_is_refused(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(3)
    (data / "test.jsonl").write_text("")
    with pytest.raises(DataError, match=r"test\.jsonl holds no samples"):
        evaluate(settings(data), policy=agent)
