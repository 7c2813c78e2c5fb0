import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loupe.bench.agent import Agents
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.report import ReportInputs, report
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.policy import Conversation, Reply
from loupe.core.rater import Rated
from loupe.zoom.scripted import ScriptedPolicy

Build = Callable[[int], Path]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"
VOID = {"meta", "img", "br", "rect", "link"}


class Page(HTMLParser):
    """What a browser would see: tags, addresses and text; a tag that is closed out of turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def runs(data_folder: Build, agent: ScriptedPolicy, tmp_path: Path) -> dict[str, Path]:
    """Two evaluations of twelve images, the first by an agent that never zooms and whose thoughts are hostile."""
    data = data_folder(12)

    def constant(conversation: Conversation) -> Reply:
        body = json.dumps({"distortion_class": "blur", "severity": "slight", "rating": 3.0})
        return Reply(f"<think>{EVIL}</think><answer>{body}</answer>")

    for name, policy in (("base", ScriptedPolicy(constant)), ("agent", agent)):
        config = EvaluateConfig(data=str(data), out=str(tmp_path / name), n_boot=50, trails=4)
        evaluate(config, policy=policy)
    (tmp_path / "grpo").mkdir()
    rows = [{"step": n, "loss": 1 / (n + 1), "reward": n / 9, EVIL: n, "$x^2$": n, "kl": None} for n in range(9)]
    (tmp_path / "grpo" / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {name: tmp_path / name for name in ("base", "agent", "grpo")}


def made(runs: dict[str, Path], **changes: object) -> tuple[Page, dict[str, object]]:
    plain = {
        "evaluations": {"base": str(runs["base"]), "agent": str(runs["agent"])},
        "trainings": {"GRPO": str(runs["grpo"])},
    }
    out = runs["base"].parent / "report"
    path = report(ReportInputs(**{**plain, **changes}), out)  # type: ignore[arg-type]
    return Page(path.read_text()), json.loads((out / "report.json").read_text())


def test_the_page_holds_everything_and_loads_nothing(runs: dict[str, Path]):
    page, _ = made(runs)
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    for words in (
        "zoom as decided",
        "without zoom",
        "random crops",
        "true region",
        "agent − base",
        "How it was learnt",
        "greedy",
        "Crop: x 50–100 %, y 0–50 %",
        "s001",
    ):
        assert words in page.words
    assert page.tags.count("article") == 4
    assert not {"script", "link", "iframe"} & set(page.tags)


def test_the_numbers_of_the_page_are_those_of_report_json(runs: dict[str, Path]):
    page, numbers = made(runs)
    srcc = numbers["evaluations"]["agent"]["looks"]["decided"]["all"]["expected"]["all"]["srcc"]  # type: ignore[index]
    assert srcc[0] == pytest.approx(1.0)
    assert "1.000 [1.000, 1.000]" in page.words
    gain = numbers["steps"]["agent − base"]["all"]["class_accuracy"]  # type: ignore[index]
    # One class in six is blur.
    assert gain[0] == pytest.approx(5 / 6)
    assert "+.833" in page.words


def test_what_a_model_wrote_is_text_and_never_markup(runs: dict[str, Path]):
    page, _ = made(runs, evaluations={EVIL: str(runs["base"])}, title=EVIL)
    assert EVIL in page.words
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name in page.attributes)


def test_the_fast_mode_is_named_and_no_class_is_held_against_it(runs: dict[str, Path]):
    class Flat:
        def rate(self, conversations: Sequence[Conversation], *, opening: str) -> list[Rated]:
            return [Rated(3.0, 3.0, mass=1.0, seconds=0.0) for _ in conversations]

    silent, out = ScriptedPolicy(lambda conversation: Reply("")), runs["base"].parent / "fast"
    config = EvaluateConfig(data=str(runs["base"].parent / "data"), out=str(out), n_boot=0, trails=0, fast=True)
    evaluate(config, policy=Agents(silent, silent, Flat()))
    page, numbers = made(runs, evaluations={"fast": str(out), "agent": str(runs["agent"])}, trainings={})
    [(name, gains)] = numbers["steps"].items()  # type: ignore[attr-defined]
    assert name == "agent − fast (zoom as decided − fast, no reasoning)"
    assert name in page.words
    assert gains["all"]["class_accuracy"][0] is None


def test_a_single_evaluation_without_trainings_makes_a_page(runs: dict[str, Path]):
    page, numbers = made(runs, evaluations={"agent": str(runs["agent"])}, trainings={})
    assert numbers["steps"] == {}
    assert "How it was learnt" not in page.words


def test_a_training_that_wrote_down_its_draws_shows_them(runs: dict[str, Path]):
    without, numbers = made(runs)
    assert numbers["draws"] == {}
    rows = [{"step": n + 1, "chunk": n, "counts": {EVIL: [1, n]}} for n in range(3)]
    rows[0] |= {"edges": [1, 3, 5], "data": {EVIL: [4, 4]}}
    (runs["grpo"] / "draws.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page, numbers = made(runs)
    assert [part["counts"] for part in numbers["draws"]["GRPO"]["parts"]] == [{EVIL: [1, n]} for n in range(3)]  # type: ignore[index]
    assert page.tags.count("img") == without.tags.count("img") + 1
    assert "ratings of the images that were drawn" in page.words
    assert "ratings of the images that were drawn" not in without.words


def test_the_ratings_that_were_drawn_have_a_figure_and_no_learning_curves(runs: dict[str, Path]):
    names = ["resampling/power", "resampling/drawn/1.0-1.5"]
    rows = [{"step": n, **dict.fromkeys(names, n / 9)} for n in range(9)]
    (runs["grpo"] / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, numbers = made(runs)
    assert list(numbers["trainings"]["GRPO"]) == ["resampling/power"]  # type: ignore[index]


def test_the_data_folder_is_not_needed(runs: dict[str, Path]):
    (runs["base"].parent / "data").rename(runs["base"].parent / "gone")
    page, _ = made(runs)
    assert page.tags.count("article") == 4


def test_trails_are_drawn_alike_for_every_agent(runs: dict[str, Path]):
    ours, theirs = (json.loads((runs[name] / "trails" / "index.json").read_text()) for name in ("agent", "base"))
    assert ours == theirs
    assert sum(int(name[1:]) % 2 for name in ours) == 2


def test_the_same_runs_make_the_same_page(runs: dict[str, Path]):
    first, _ = made(runs)
    second, _ = made(runs)
    assert first.sources == second.sources


def test_no_evaluation_and_a_missing_folder_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="got no evaluations"):
        report(ReportInputs(), tmp_path)
    with pytest.raises(MissingFileError, match=re.escape("summary.json")):
        report(ReportInputs(evaluations={"x": str(tmp_path / "nothing")}), tmp_path)


def test_a_folder_of_several_data_sets_is_told_apart_from_a_missing_one(tmp_path: Path):
    (tmp_path / "table.json").write_text(json.dumps({"sets": {"koniq": {}, "spaq": {}}}))
    with pytest.raises(ConfigError, match=r"several data sets \(koniq, spaq\)"):
        report(ReportInputs(evaluations={"a": str(tmp_path)}), tmp_path / "out")


def test_nothing_is_said_of_zooming_where_no_run_zoomed(runs: dict[str, Path]):
    told = EvaluateConfig(
        data=str(runs["base"].parent / "data"), out=str(runs["base"].parent / "flat"), looks=["never"]
    )
    evaluate(told, policy=ScriptedPolicy(lambda _: Reply('<answer>{"rating": 3.0}</answer>')))
    page, _ = made(runs, evaluations={"flat": told.out}, trainings={})
    assert "What zooming is worth" not in page.words
    assert "What zooming is worth" in made(runs)[0].words


def test_the_report_needs_no_model_library():
    heavy = {"torch", "transformers", "trl", "cv2", "matplotlib"}
    code = f"import sys, loupe.bench.report, loupe.bench.correlate; print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_figures_that_were_fitted_on_the_test_labels_have_a_table_that_says_so(runs: dict[str, Path]):
    page, numbers = made(runs)
    assert "Fitted on the test labels" in page.words
    assert "isotonic regression" in page.words
    raw = numbers["evaluations"]["agent"]["looks"]["decided"]["all"]["expected"]["all"]  # type: ignore[index]
    assert raw["isotonic"]["plcc"][0] == pytest.approx(1.0)
    # An agent that says the same of every image has no fit, and the page says why.
    constant = numbers["evaluations"]["base"]["looks"]["decided"]["all"]["expected"]["all"]  # type: ignore[index]
    assert constant["isotonic"]["plcc"][0] is None
    assert constant["isotonic"]["reason"] in page.words


def test_an_older_summary_without_fits_makes_a_page_without_that_table(runs: dict[str, Path]):
    for name in ("base", "agent"):
        path = runs[name] / "summary.json"
        summary = json.loads(path.read_text())
        for look in summary["looks"].values():
            for subset in look.values():
                for kind in ("expected", "written") if subset and "expected" in subset else ():
                    for figures in subset[kind].values():
                        del figures["logistic"], figures["isotonic"]
        path.write_text(json.dumps(summary))
    page, _ = made(runs)
    assert "Fitted on the test labels" not in page.words
    assert "agent − base" in page.words
