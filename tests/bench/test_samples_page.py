"""What was said over a training: the first, a middle and the last evaluation, verbatim and escaped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.plots import curves, learning_curves
from loupe.bench.report import ReportInputs, report
from loupe.bench.samples_page import chosen, said_over_training
from loupe.core.answer import parse
from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Box, Degradation, Episode, Sample, StopReason, Turn
from loupe.core.runs import RunFolder
from loupe.core.watched import keep_watched
from loupe.zoom.scripted import ScriptedPolicy

EVIL = "<script>alert(1)</script>{{ 7*7 }}\"'&"
CROP: Box = (0.5, 0.5, 1.0, 1.0)


def sample(name: str) -> Sample:
    return Sample(name, "x.png", "d", "val", 3.0, 3.0, degradation=Degradation("blur", 2, CROP))


def episode(name: str, *, step: int, zoomed: bool) -> Episode:
    first = f'<think>{EVIL} at {step}</think><answer>{{"rating": 2.0, "tool": "final"}}</answer>'
    turns = [Turn(WHOLE, first, parse(first), 9, 0.1)]
    if zoomed:
        second = '<think>Closer.</think><answer>{"rating": 4.25}</answer>'
        turns.append(Turn(CROP, second, parse(second), 9, 0.1))
    return Episode(name, tuple(turns), StopReason.FINAL)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two watched images; after step 30 the first is zoomed into, the second was never played."""
    image = Image.effect_noise((64, 64), 60).convert("RGB")
    keep_watched(tmp_path, [(sample("a"), image), (sample(EVIL), image)])
    folder = RunFolder(tmp_path)
    for step in (0, 10, 20, 30, 40):
        folder.append_episodes(step, [episode("a", step=step, zoomed=step >= 30).to_json()])
    return tmp_path


@pytest.mark.parametrize(
    ("steps", "shown"),
    [([], []), ([0], [0]), ([0, 9], [0, 9]), ([0, 5, 9], [0, 5, 9]), (list(range(0, 101, 10)), [0, 50, 100])],
)
def test_first_middle_and_last_are_shown(steps: list[int], shown: list[int]) -> None:
    assert chosen(steps) == shown


def test_each_image_has_what_was_said_about_it_early_to_late(run: Path) -> None:
    first, second = said_over_training(run)
    assert [said.step for said in first.said] == [0, 20, 40]
    assert [len(said.trail.steps) for said in first.said] == [1, 1, 2]
    assert first.said[-1].trail.verdict is not None
    assert first.said[-1].trail.verdict.answer.rating == 4.25
    assert first.picture.startswith("data:image/png;base64,")
    assert (second.sample.id, second.said) == (EVIL, ())


def test_a_run_without_watched_images_or_episodes_shows_nothing(run: Path, tmp_path: Path) -> None:
    assert said_over_training(tmp_path / "elsewhere") == []
    (run / "episodes.jsonl").unlink()
    assert said_over_training(run) == []


def test_episodes_of_another_form_are_refused(run: Path) -> None:
    with (run / "episodes.jsonl").open("a") as file:
        file.write(json.dumps({"step": 50, "sample_id": "a"}) + "\n")
    with pytest.raises(DataError, match=r"episodes\.jsonl: a row does not fit"):
        said_over_training(run)


def test_held_out_numbers_share_the_panel_of_the_training() -> None:
    rows = [{"step": step, "loss": 1 / step, "grad_norm": 2.0} for step in (1, 2, 3, 4)]
    rows += [{"step": step, "eval_loss": 2 / step} for step in (2, 4)]
    series = curves(rows)
    assert list(series) == ["eval_loss", "loss", "grad_norm"]
    assert series["eval_loss"] == [(2.0, 1.0), (4.0, 0.5)]
    both, alone = learning_curves(series), learning_curves({name: series[name] for name in ("loss", "grad_norm")})
    assert len(both) > len(alone)
    many = [{"step": step, **{f"{mode}m{n}": 1.0 for n in range(12) for mode in ("", "eval_")}} for step in (1, 2)]
    assert len(curves(many)) == 18


def test_the_report_shows_the_words_side_by_side_as_text(
    run: Path, data_folder: Callable[[int], Path], agent: ScriptedPolicy, tmp_path: Path
) -> None:
    out = tmp_path / "eval"
    evaluate(EvaluateConfig(data=str(data_folder(6)), out=str(out), n_boot=20, trails=0), policy=agent)
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n')
    path = report(ReportInputs({"agent": str(out)}, {EVIL: str(run)}), tmp_path / "report")
    page = path.read_text(encoding="utf-8")
    assert page.index("after 0 steps") < page.index("after 20 steps") < page.index("after 40 steps")
    assert page.count("after 20 steps") == 1
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}&#34;&#39;&amp; at ") == 3
    assert "crop: x 50–100 %, y 50–100 %" in page
    assert "nothing was said about it" in page
