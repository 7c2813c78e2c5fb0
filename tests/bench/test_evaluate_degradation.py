import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.audit.config import AuditConfig
from loupe.bench.audit.run import audit
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.report import ReportInputs, report
from loupe.core.errors import ConfigError
from loupe.core.files import read_json, write_jsonl
from loupe.core.policy import Conversation
from loupe.core.records import WHOLE, Degradation, Sample, severity_word
from loupe.zoom.scripted import ScriptedPolicy

TRUTHS = [("noise", 1), ("blur", 2), ("compression", 3), ("darken", 5), (None, 0), ("haze", 4), ("blur", 1), (None, 0)]
"""What is true of the images s0 to s7; haze is no class of Loupe's."""


@pytest.fixture
def unrated(tmp_path: Path) -> Path:
    """A data folder of labelled images that nobody rated."""
    folder, nan = tmp_path / "data", float("nan")
    (folder / "images").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), list[Sample]()
    for number, (word, level) in enumerate(TRUTHS):
        damage = Degradation(word, level, WHOLE if level else None)
        name = f"images/s{number}.png"
        rows.append(Sample(f"s{number}", name, "t", "test", nan, nan, ref_id=f"r{number // 2}", degradation=damage))
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / name)
    write_jsonl(folder / "test.jsonl", [row.to_json() for row in rows])
    return folder


def says(tell: Callable[[int], tuple[str | None, int]]) -> ScriptedPolicy:
    def answer(conversation: Conversation) -> str:
        word, level = tell(int(conversation.key[1]))
        body = f'{{"distortion_class": "{word or "null"}", "severity": "{severity_word(level) or "null"}"}}'
        return f"<think>\nso\n</think>\n<answer>\n{body}\n</answer>"

    return ScriptedPolicy(answer)


def settings(data: Path, **changes: object) -> EvaluateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "protocol": "degradation", "n_boot": 50, "chunk": 3}
    return EvaluateConfig(**{**plain, **changes})  # type: ignore[arg-type]


def test_an_agent_that_names_what_is_wrong_scores_full_marks_without_any_rating(unrated: Path):
    summary = evaluate(settings(unrated), policy=says(lambda number: TRUTHS[number]))
    decided = summary.looks["decided"]
    assert (decided.all.n, decided.all.unusable) == (8, 0)
    assert decided.all.expected is None and decided.all.written is None
    table = decided.degradation
    assert table is not None
    assert list(table.classes) == ["noise", "blur", "compression", "darken", "haze", "clean"]
    for averages in (table.class_accuracy, table.severity_accuracy, table.severity_accuracy_with_clean):
        assert averages.macro.value == averages.micro.value == 1.0


def test_one_way_to_look_is_played_and_summed_up_once(unrated: Path):
    agent = says(lambda number: TRUTHS[number])
    summary = evaluate(settings(unrated), policy=agent)
    assert list(summary.looks) == ["decided"]
    assert summary.gains == {}
    assert sum(len(call) for call in agent.seen) == 8


def test_what_stands_on_disk_holds_the_table_and_no_number_that_is_none(unrated: Path):
    evaluate(settings(unrated), policy=says(lambda _: ("blur", 2)))
    out = unrated.parent / "eval"
    text = (out / "summary.json").read_text()
    assert "NaN" not in text
    written = json.loads(text)
    assert written["looks"]["decided"]["all"]["expected"] is None
    table = written["looks"]["decided"]["degradation"]
    assert table["classes"]["blur"]["class_accuracy"][0] == 1.0
    assert table["classes"]["blur"]["severity_accuracy"][0] == 0.5
    assert table["severity_accuracy"]["micro"][0] == pytest.approx(1 / 6)
    assert table["severity_accuracy_with_clean"]["micro"][0] == pytest.approx(1 / 8)
    assert written["protocol"]["asks"] == ["distortion_class", "severity"]
    assert {"degradation.html", "degradation.md"} <= {path.name for path in out.iterdir()}
    assert "| haze |" in (out / "degradation.md").read_text()


def test_a_null_without_quotes_is_no_answer_in_this_dialect_and_counts_as_wrong(unrated: Path):
    silent = ScriptedPolicy(lambda _: '<answer>{"distortion_class": null, "severity": null}</answer>')
    table = evaluate(settings(unrated), policy=silent).looks["decided"].degradation
    assert table is not None
    assert table.unusable == 8
    assert table.class_accuracy.micro.value == 0.0


def test_a_cut_run_is_resumed_to_the_same_table(unrated: Path):
    whole = evaluate(settings(unrated, out=str(unrated.parent / "whole")), policy=says(lambda _: ("blur", 2)))

    def dies(number: int) -> tuple[str | None, int]:
        if number == 4:
            raise KeyboardInterrupt
        return ("blur", 2)

    with pytest.raises(KeyboardInterrupt):
        evaluate(settings(unrated), policy=says(dies))
    again = says(lambda _: ("blur", 2))
    found = evaluate(settings(unrated, resume=True), policy=again)
    assert sorted(item.key for call in again.seen for item in call) == ["s3#0", "s4#0", "s5#0", "s6#0", "s7#0"]
    assert json.dumps(found.to_json()["looks"]) == json.dumps(whole.to_json()["looks"])


def test_a_rating_over_images_that_nobody_rated_is_no_number(unrated: Path):
    agent = ScriptedPolicy(lambda _: "<think></think><answer>3.0</answer>")
    summary = evaluate(settings(unrated, protocol="score"), policy=agent)
    assert summary.looks["decided"].all.expected is None
    assert summary.looks["decided"].degradation is None


def test_a_report_shows_an_evaluation_without_ratings(unrated: Path):
    evaluate(settings(unrated, trails=2), policy=says(lambda number: TRUTHS[number]))
    page = report(ReportInputs(evaluations={"agent": str(unrated.parent / "eval")}), unrated.parent / "report")
    text = page.read_text()
    assert "diagnosed" in text and "rated" not in text.split("Trails: what the agent looked at")[1].split("label")[0]
    assert ">haze</th>" in text
    assert "expected ratings against labels" not in text
    assert read_json(unrated.parent / "report" / "report.json")["evaluations"]["agent"]["protocol"]["asks"]


def test_a_report_of_comparisons_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "summary.json").write_text('{"comparison": {}, "protocol": {}}')
    with pytest.raises(ConfigError, match="holds comparisons of pairs"):
        report(ReportInputs(evaluations={"agent": str(tmp_path)}), tmp_path / "report")


def test_a_protocol_that_asks_for_neither_is_refused_before_any_work(unrated: Path):
    agent = says(lambda number: TRUTHS[number])
    with pytest.raises(ConfigError, match="asks for description; what is scored of an image"):
        evaluate(settings(unrated, protocol="describe"), policy=agent)
    with pytest.raises(ConfigError, match="samples: got 2; ratings alone are averaged"):
        evaluate(settings(unrated, samples=2), policy=agent)
    assert agent.calls == 0


@pytest.mark.parametrize("protocol", ["degradation", "score"])
def test_a_zoom_audit_of_a_protocol_without_ratings_or_crops_is_refused_before_any_work(unrated: Path, protocol: str):
    agent = says(lambda number: TRUTHS[number])
    config = AuditConfig(data=str(unrated), out=str(unrated.parent / "audit"), protocol=protocol)
    with pytest.raises(ConfigError, match="a zoom audit wants ratings and crops"):
        audit(config, policy=agent)
    assert agent.calls == 0
