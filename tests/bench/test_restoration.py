"""The closed loop on real synthetic images, with agents that read the truth or nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.predictions import Prediction
from loupe.bench.restoration.arms import at_random, candidates, deal, diagnosed, treatments, true_treatment
from loupe.bench.restoration.config import RestorationConfig
from loupe.bench.restoration.page import draw_cases
from loupe.bench.restoration.results import EXACT, gains, results
from loupe.bench.restoration.run import restoration
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, read_jsonl
from loupe.core.policy import Conversation
from loupe.core.records import WHOLE, Box, Degradation, Episode, Sample, StopReason, Turn, severity_word
from loupe.data.remedies.apply import NOTHING, REMEDIES, Treatment
from loupe.data.sample_photos import copy_sample_photos
from loupe.data.store import load_samples
from loupe.data.synth import SynthConfig, synthesise
from loupe.zoom.scripted import ScriptedPolicy

EVIL = "<script>alert(1)</script>"
LOCAL = (0.5, 0.0, 1.0, 0.5)


def truthful(folder: Path) -> ScriptedPolicy:
    samples = {sample.id: sample for sample in load_samples(folder, "train")}

    def answer(conversation: Conversation) -> str:
        truth = samples[conversation.key.split("#")[0]].degradation
        assert truth is not None
        fields = {"severity": severity_word(truth.severity), "bbox_2d": truth.bbox_2d, "rating": 3.0, "tool": "final"}
        return render(answer_of(EVIL, distortion_class=truth.distortion_class, **fields))

    return ScriptedPolicy(answer)


def settings(folder: Path, out: Path, **more: object) -> RestorationConfig:
    config = RestorationConfig(
        data=str(folder), split="train", chosen_on="val", out=str(out), n_boot=50, random_seeds=2
    )
    return replace(config, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(synthetic_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("restoration") / "out"
    restoration(settings(synthetic_folder, out), policy=truthful(synthetic_folder))
    return out


def test_an_agent_that_tells_the_truth_gains_what_the_truth_gains(done: Path):
    found = read_json(done / "restoration.json")["results"]["all"]
    assert (found["n"], found["pristine"]) == (20, 5)
    for metric in ("rating", "psnr", "ssim"):
        gain = found["metrics"][metric]["gain"]
        assert gain["agent"] == gain["truth"]
        assert gain["nothing"][0] == 0.0
        assert found["metrics"][metric]["difference"]["truth - agent"] == [0.0, 0.0, 0.0]
    rating = found["metrics"]["rating"]
    assert rating["gain"]["truth"][0] > 0.2
    assert rating["gain"]["random"][0] < 0.0
    expected = rating["gain"]["agent"][0] - rating["gain"]["fixed"][0]
    assert rating["difference"]["agent - fixed"][0] == pytest.approx(expected, abs=1e-12)
    assert read_json(done / "restoration.json")["diagnosis"]["right"] == 1.0


def test_windows_of_one_photograph_have_a_pristine_image_each(tmp_path: Path):
    copy_sample_photos(tmp_path / "photos")
    folder = synthesise(
        SynthConfig(
            out=str(tmp_path / "data"),
            photos=str(tmp_path / "photos"),
            photo_share=1,
            train=5,
            val=3,
            test=3,
            versions=2,
        )
    )
    restoration(settings(folder, tmp_path / "out"), policy=truthful(folder))
    assert (tmp_path / "out" / "restoration.html").is_file()


def test_the_fixed_remedy_is_the_best_of_the_other_split(done: Path):
    chosen = read_json(done / "restoration.json")["fixed"]
    rows = read_jsonl(done / "chosen.jsonl")
    assert {row["id"].split("-")[0] for row in rows} == {"val"}
    assert len(chosen) == len(candidates()) == 30
    assert [item["gain"] for item in chosen] == sorted((item["gain"] for item in chosen), reverse=True)
    name = f"{chosen[0]['distortion_class']}-{chosen[0]['level']}"
    mean = np.mean([row["after"][name][0]["rating"] - row["before"]["rating"] for row in rows])
    assert chosen[0]["gain"] == pytest.approx(float(mean), abs=1e-12)


def test_the_page_escapes_what_the_agent_wrote_and_shows_four_pictures_an_image(done: Path):
    text = (done / "restoration.html").read_text()
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert text.count('src="data:image/png;base64,') == 4 * 12
    assert "http" not in text.replace("http-equiv", "")


def test_the_table_is_written_for_documents(done: Path):
    text = (done / "table.md").read_text()
    for word in ("| agent - fixed |", "| truth |", "20 images of 5 pristine ones", "95 %"):
        assert word in text


def test_a_resumed_run_ends_with_the_same_numbers(done: Path, synthetic_folder: Path, tmp_path: Path):
    out = tmp_path / "cut"
    shutil.copytree(done, out)
    for path in (out / "treated.jsonl", out / "chosen.jsonl", out / "diagnosis" / "predictions.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:40])
    before = read_json(out / "restoration.json")
    (out / "restoration.json").unlink()
    restoration(settings(synthetic_folder, out, resume=True), policy=truthful(synthetic_folder))
    after = read_json(out / "restoration.json")
    assert {key: after[key] for key in ("results", "fixed", "diagnosis")} == {
        key: before[key] for key in ("results", "fixed", "diagnosis")
    }


def test_a_folder_with_a_run_is_refused_without_resume(done: Path, synthetic_folder: Path):
    with pytest.raises(ConfigError, match="resume"):
        restoration(settings(synthetic_folder, done), policy=truthful(synthetic_folder))


def test_progress_goes_up_to_the_end(synthetic_folder: Path, tmp_path: Path):
    seen: list[tuple[int, int]] = []
    restoration(
        settings(synthetic_folder, tmp_path / "out", limit=4, shown=0),
        policy=truthful(synthetic_folder),
        progress=lambda done, total, now: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (12, 12)


def test_an_image_that_is_not_what_the_settings_make_is_refused(synthetic_folder: Path, tmp_path: Path):
    folder = tmp_path / "data"
    shutil.copytree(synthetic_folder, folder)
    path = folder / load_samples(folder, "train")[1].image
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    with pytest.raises(DataError, match="not what the settings"):
        restoration(settings(folder, tmp_path / "out", limit=4), policy=truthful(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"split": "val"}, "another split"), ({"limit": 0}, "limit"), ({"random_seeds": 0}, "random_seeds")],
)
def test_settings_that_cannot_be_are_refused(
    change: dict[str, object], words: str, synthetic_folder: Path, tmp_path: Path
):
    with pytest.raises(ConfigError, match=words):
        restoration(settings(synthetic_folder, tmp_path / "out", **change), policy=truthful(synthetic_folder))


def said(name: str | None, severity: str | None, box: Box | None) -> Turn:
    answer = replace(answer_of("", rating=3.0, tool="final"), distortion_class=name, severity=severity, bbox_2d=box)
    return Turn(WHOLE, "", answer, tokens=1, seconds=0.0)


@pytest.mark.parametrize(
    ("turn", "treatment"),
    [
        (said("blur", "serious", LOCAL), Treatment("blur", 4, LOCAL)),
        (said("blur", "slight", None), Treatment("blur", 1, WHOLE)),
        (said("blur", "slight", (20.0, 20.0, 90.0, 90.0)), Treatment("blur", 1, WHOLE)),
        (said("blur", None, LOCAL), NOTHING),
        (said("haze", "serious", LOCAL), NOTHING),
        (said(None, None, None), NOTHING),
        (None, NOTHING),
    ],
)
def test_a_diagnosis_becomes_a_treatment_or_nothing(turn: Turn | None, treatment: Treatment):
    assert diagnosed(turn) == treatment


def predictions(count: int, versions: int) -> list[Prediction]:
    made: list[Prediction] = []
    for number in range(count):
        name = list(REMEDIES)[number % 6]
        truth = Degradation(name, 1 + number % 5, WHOLE)
        sample = Sample(
            f"s{number:03d}", "a.png", "x", "test", 3.0, 3.0, ref_id=f"r{number // versions}", degradation=truth
        )
        episode = Episode(sample.id, (said(name, severity_word(truth.severity), WHOLE),), StopReason.FINAL)
        made.append(Prediction(sample, "decided", episode))
    return made


def test_a_dealt_diagnosis_is_of_another_pristine_image_and_none_is_lost():
    items = predictions(60, 4)
    groups = [item.group for item in items]
    for offset in deal(items, seeds=20, seed=1):
        assert all(groups[(number + offset) % 60] != group for number, group in enumerate(groups))
    arms = treatments(items, fixed=Treatment("blur", 1), seeds=3, seed=0)
    for draw in range(3):
        dealt = sorted(str(arm["dealt"][draw]) for arm in arms.values())
        assert dealt == sorted(str(arm["agent"][0]) for arm in arms.values())


def test_random_treatments_hang_on_id_seed_and_draw_alone_and_reach_every_class():
    drawn = [at_random(f"s{number}", seed=0, draw=0) for number in range(300)]
    assert drawn == [at_random(f"s{number}", seed=0, draw=0) for number in range(300)]
    assert drawn != [at_random(f"s{number}", seed=0, draw=1) for number in range(300)]
    assert {item.distortion_class for item in drawn} == set(REMEDIES)
    assert {item.level for item in drawn} == {1, 2, 3, 4, 5}
    assert 0.5 < np.mean([item.bbox_2d != WHOLE for item in drawn]) < 0.8


def test_the_true_treatment_of_a_clean_image_is_nothing():
    sample = Sample("a", "a.png", "x", "test", 5.0, 5.0, degradation=Degradation(None, 0, None))
    assert true_treatment(sample) == NOTHING


def row(number: int, before: float | None, after: list[float | None]) -> dict[str, object]:
    figures = [{"rating": 3.0, "psnr": value, "ssim": 0.5} for value in (before, *after)]
    arms = {name: [figures[1]] for name in ("nothing", "fixed", "agent", "truth")}
    return {
        "id": f"s{number}", "group": f"r{number}", "class": "blur", "before": figures[0],
        "after": {**arms, "random": figures[1:], "dealt": figures[1:]},
    }  # fmt: skip


def test_gains_are_means_over_draws_and_psnr_leaves_out_what_has_none():
    rows = [row(0, 30.0, [31.0, 35.0]), row(1, 20.0, [None, 20.0]), row(2, None, [40.0, 40.0])]
    assert gains(rows[:2], "random", "psnr") == [3.0, (EXACT + 20.0) / 2 - 20.0]
    found = results(rows, n_boot=0, seed=0)["all"]
    assert (found["n"], found["metrics"]["psnr"]["n"], found["metrics"]["rating"]["n"]) == (3, 2, 3)
    assert found["metrics"]["psnr"]["gain"]["agent"].value == pytest.approx((1.0 + 80.0) / 2)


def test_shown_images_go_round_the_classes_and_leave_out_the_clean_ones():
    items = predictions(30, 5)
    clean = replace(items[0], sample=replace(items[0].sample, degradation=Degradation(None, 0, None)))
    shown = draw_cases([clean, *items[1:]], count=6, seed=3)
    assert len({true_treatment(item.sample).distortion_class for item in shown}) == 6
    assert clean not in draw_cases([clean, *items[1:]], count=100, seed=3)
    assert shown == draw_cases([*items[:0:-1], clean], count=6, seed=3)


KILLED = """
import sys
from loupe.bench.restoration.config import RestorationConfig
from loupe.bench.restoration.run import restoration
from loupe.core.answer import answer_of, render
from loupe.zoom.scripted import ScriptedPolicy
said = dict(distortion_class="blur", severity="slight", bbox_2d=(0.0, 0.0, 0.5, 0.5), rating=3.0, tool="final")
text = render(answer_of("", **said))
places = dict(data=sys.argv[1], split="train", chosen_on="val", out=sys.argv[2])
config = RestorationConfig(**places, n_boot=20, random_seeds=2, resume=True)
restoration(config, policy=ScriptedPolicy(lambda conversation: text))
"""


def test_a_killed_run_goes_on_to_the_same_numbers(synthetic_folder: Path, tmp_path: Path):
    def start(out: Path) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", KILLED, str(synthetic_folder), str(out)]
        return subprocess.Popen(words, stderr=subprocess.PIPE)

    cut, whole = tmp_path / "cut", tmp_path / "whole"
    process = start(cut)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if (cut / "treated.jsonl").is_file() and (cut / "treated.jsonl").read_bytes().count(b"\n") >= 3:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL, process.stderr.read().decode() if process.stderr else ""
    for out in (cut, whole):
        ended = start(out)
        _, errors = ended.communicate(timeout=120)
        assert ended.returncode == 0, errors.decode()
    first, second = (json.loads((out / "restoration.json").read_text()) for out in (cut, whole))
    assert first["results"] == second["results"]
    assert (cut / "table.md").read_text() == (whole / "table.md").read_text()
