"""A whole audit with a scripted agent on tiny images: what is played, what is kept, what resumes, what is shown."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loupe.bench.audit.config import AuditConfig
from loupe.bench.audit.run import audit
from loupe.bench.audit.table import HEAD, cells, red_lines, verdict_line
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.report import ReportInputs, report
from loupe.core.errors import ConfigError
from loupe.core.policy import Conversation, Reply
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]
IMAGES = 14
"""Three of them are undamaged: numbers 0, 6 and 12."""


def settings(data: Path, **changes: object) -> AuditConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "n_boot": 20, "trails": 1, "chunk": 5, "seeds": 3}
    return AuditConfig(**{**plain, "shallow": 2, "strengths": [2, 4], **changes})  # type: ignore[arg-type]


def part(config: AuditConfig, name: str) -> list[Prediction]:
    return read_predictions(Path(config.out) / "audit" / name / "predictions.jsonl")


def plain(found: dict[str, Any]) -> str:
    """As text, without what says when and where a run was."""
    return json.dumps({key: value for key, value in found.items() if key not in ("protocol", "settings")})


def row(found: dict[str, Any], words: str) -> dict[str, Any]:
    return next(item for item in found["rows"] if words in item["name"])


def test_an_audit_plays_every_control_once_and_what_is_drawn_once_a_seed(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(IMAGES))
    steps: list[tuple[int, int]] = []
    found = audit(config, policy=agent, progress=lambda done, total: steps.append((done, total)))
    assert json.loads((Path(config.out) / "audit.json").read_text()) == found
    assert (Path(config.out) / "summary.json").is_file()
    looks = {name: [item.look for item in part(config, name)] for name in ("split-0", "split-1", "pristine-0")}
    assert set(looks["split-0"]) == {"centre", "whole"}
    assert set(looks["split-1"]) == {"random"}
    assert len(looks["split-1"]) == IMAGES
    assert {look: looks["pristine-0"].count(look) for look in ("decided", "never", "forced")} == {
        "decided": 3,
        "never": 3,
        "forced": 3,
    }
    assert len(part(config, "shallow-0")) == 2 * 2 * 3
    assert not (Path(config.out) / "audit" / "shallow-1").exists()
    assert row(found, "a random crop of equal area, all")["seeds"] == 3
    # Four looks of the evaluation, two and two more, three looks and two more at 3 images, 12 and 3 images made.
    total = IMAGES * (4 + 2 + 2) + 3 * (3 + 2) + 12 + 12 + 3
    assert steps[-1] == (total, total)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_every_seed_shows_other_random_crops(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(IMAGES))
    audit(config, policy=agent)
    views = [
        {item.sample.id: item.episode.turns[1].view for item in part(config, f"split-{seed}") if item.episode.zoomed}
        for seed in (1, 2)
    ]
    assert views[0].keys() == views[1].keys()
    assert len(views[0]) == IMAGES // 2
    assert all(views[0][id] != views[1][id] for id in views[0])


def test_seeds_of_a_greedy_agent_share_their_first_look(data_folder: Build, agent: ScriptedPolicy):
    audit(settings(data_folder(IMAGES)), policy=agent)
    asked = [item for call in agent.seen for item in call if not item.replies and item.key == "s001#0"]
    # The evaluation asks with and without zoom; the parts ask with zoom once more, for all their looks and seeds.
    assert len(asked) == 3


def test_a_sampling_agent_is_asked_anew_under_every_seed(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(IMAGES), temperature=1.0)
    found = audit(config, policy=agent)
    assert row(found, "no zoom, all")["seeds"] == 3
    assert {item.look for item in part(config, "split-2")} == {"decided", "never", "random", "truth", "centre", "whole"}
    assert len(part(config, "shallow-2")) == 12


def test_a_killed_audit_resumes_to_the_same_result(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(IMAGES)
    expected = audit(settings(data, out=str(data.parent / "whole")), policy=agent)
    config = settings(data)

    def dies(conversation: Conversation) -> Reply:
        if "~subject4" in conversation.key:
            raise KeyboardInterrupt
        return agent.respond([conversation], seed=0)[0]

    with pytest.raises(KeyboardInterrupt):
        audit(config, policy=ScriptedPolicy(dies))
    assert not (Path(config.out) / "audit.json").exists()
    there = len(part(config, "shallow-0"))
    assert 0 < there < 12
    counting = ScriptedPolicy(lambda conversation: agent.respond([conversation], seed=0)[0])
    found = audit(settings(data, resume=True), policy=counting)
    assert plain(found) == plain(expected)
    assert all("~" in item.key for call in counting.seen for item in call)
    calls = counting.calls
    assert plain(audit(settings(data, resume=True), policy=counting)) == plain(expected)
    assert counting.calls == calls


def test_an_audit_goes_on_from_an_evaluation_that_is_there(data_folder: Build, agent: ScriptedPolicy):
    from loupe.bench.evaluate import base_config, evaluate

    config = settings(data_folder(IMAGES))
    evaluate(base_config(config), policy=agent)
    before = (Path(config.out) / "predictions.jsonl").read_bytes()
    audit(settings(Path(config.data), resume=True), policy=agent)
    assert (Path(config.out) / "predictions.jsonl").read_bytes() == before


def test_an_audit_with_other_settings_is_not_mixed_in(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(IMAGES)
    audit(settings(data), policy=agent)
    with pytest.raises(ConfigError, match="strengths"):
        audit(settings(data, resume=True, strengths=[3]), policy=agent)
    with pytest.raises(ConfigError, match="resume=true"):
        audit(settings(data), policy=agent)


def test_data_without_labels_of_damage_leave_their_rows_grey(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(IMAGES)
    rows = [json.loads(line) for line in (data / "test.jsonl").read_text().splitlines()]
    bare = [{**item, "degradation": None, "hard": None} for item in rows]
    (data / "test.jsonl").write_text("".join(json.dumps(item) + "\n" for item in bare))
    config = settings(data)
    found = audit(config, policy=agent)
    assert not list((Path(config.out) / "audit").glob("pristine-*"))
    for words in ("forced crop less", "shallow depth of field less", "own crop less random crops", "zoom rate"):
        assert (row(found, words)["n"], row(found, words)["verdict"]) == (0, "grey")
    assert found["verdicts"]["red"] == 0
    report(ReportInputs(evaluations={"bare": config.out}), data.parent / "report")


def test_looks_that_the_evaluation_leaves_out_are_played_by_the_audit(data_folder: Build, agent: ScriptedPolicy):
    data = data_folder(IMAGES)
    few = audit(settings(data, looks=["never"], out=str(data.parent / "few")), policy=agent)
    whole = audit(settings(data), policy=agent)
    assert few["looks"] == whole["looks"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seeds": 0}, "seeds: got 0"), ({"strengths": [6]}, "strengths"), ({"strengths": []}, "strengths")],
)
def test_settings_that_cannot_be_are_refused_before_any_work(
    data_folder: Build, agent: ScriptedPolicy, changes: dict[str, object], words: str
):
    config = settings(data_folder(3), **changes)
    with pytest.raises(ConfigError, match=words):
        audit(config, policy=agent)
    assert not Path(config.out).exists()
    assert agent.calls == 0


def half_undamaged(data: Path) -> tuple[Path, ScriptedPolicy]:
    """A folder of 48 images whose even ones are undamaged, and an agent that knows them all, blurred versions too."""
    path = data / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[::2]:
        row |= {"rating": 5.0, "degradation": {"distortion_class": None, "severity": 0, "bbox_2d": None}}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    truth = {row["id"]: row for row in rows}

    def knows(conversation: Conversation) -> Reply:
        id, _, version = conversation.key.removesuffix("#0").partition("~")
        row, damage = truth[id], truth[id]["degradation"]
        said = {"distortion_class": damage["distortion_class"], "severity": None, "rating": row["rating"]}
        if version and not version.startswith("shallow"):
            said |= {"distortion_class": "blur", "rating": 3.0}
        zooms = row["hard"] and not conversation.replies and "No crop" not in conversation.user_turns[0].text
        body = {**said, "bbox_2d": damage["bbox_2d"], "tool": "crop" if zooms else "final"}
        return Reply(f"<think>I see.</think><answer>{json.dumps(body)}</answer>")

    return data, ScriptedPolicy(knows)


def test_the_agent_that_knows_everything_has_no_red_row(data_folder: Build):
    data, agent = half_undamaged(data_folder(48))
    found = audit(settings(data, shallow=24, chunk=200, n_boot=200), policy=agent)
    assert found["red"] == []
    for words in ("own crop less random crops", "easy images that were not zoomed into", "forced crop less no zoom"):
        assert row(found, words)["verdict"] == "green"
    assert [item["verdict"] for item in found["rows"] if "shallow depth of field" in item["name"]] == ["green"] * 3
    # It sees no more in a crop than without one.
    assert row(found, "no zoom, all")["verdict"] == "grey"


def test_an_agent_that_takes_every_crop_for_damage_is_caught(data_folder: Build):
    data, agent = half_undamaged(data_folder(48))

    def suspicious(conversation: Conversation) -> Reply:
        if not conversation.replies:
            return agent.respond([conversation], seed=0)[0]
        body = {"distortion_class": "blur", "severity": "serious", "rating": 2.0, "tool": "final"}
        return Reply(f"<think>I see blur.</think><answer>{json.dumps(body)}</answer>")

    found = audit(settings(data, shallow=0, chunk=200, n_boot=200), policy=ScriptedPolicy(suspicious))
    caught = row(found, "forced crop less no zoom")
    assert (caught["verdict"], caught["seeds"]) == ("red", 3)
    assert caught["figures"][0]["value"][0] == pytest.approx(-3.0)
    assert "cropping implies degradation" in caught["reason"]
    assert any("forced crop less no zoom" in line and "cropping implies" in line for line in red_lines(found))


def test_the_table_has_a_line_a_figure_and_says_how_many_are_red(data_folder: Build, agent: ScriptedPolicy):
    found = audit(settings(data_folder(IMAGES)), policy=agent)
    lines = cells(found)
    assert {len(line) for line in lines} == {len(HEAD)}
    sections = {item["section"] for item in found["rows"]}
    assert len(lines) == sum(len(item["figures"]) for item in found["rows"]) + len(sections)
    assert verdict_line(found) == f"{found['verdicts']['green']} green, {found['verdicts']['grey']} grey, 0 red"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_report_shows_the_audit_of_an_evaluation_that_has_one(data_folder: Build, agent: ScriptedPolicy):
    config = settings(data_folder(IMAGES))
    found = audit(config, policy=agent)
    evil = "<script>alert(1)</script>"
    made = report(ReportInputs(evaluations={evil: config.out}), Path(config.out).parent / "report")
    page = Page(made.read_text())
    assert "Is the zooming honest?" in page.words
    assert evil in page.words
    assert "script" not in page.tags
    assert all(item["name"] in page.words for item in found["rows"])
    numbers = json.loads(made.with_suffix(".json").read_text())
    assert numbers["audits"][evil]["rows"] == found["rows"]
    (Path(config.out) / "audit.json").unlink()
    without = Page(report(ReportInputs(evaluations={"agent": config.out}), made.parent).read_text())
    assert "Is the zooming honest?" not in without.words
    assert without.tags.count("img") == page.tags.count("img") - 1
