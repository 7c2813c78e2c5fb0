"""Calibration as a run: what is written, who may use it, and that it holds what it promises on images of others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.agent import Agents
from loupe.bench.assess import AssessConfig, assess
from loupe.bench.calibration.config import CalibrateConfig
from loupe.bench.calibration.coverage import Rating, by_range, holds, measure, quantiles
from loupe.bench.calibration.record import (
    Calibration,
    Way,
    check_way,
    read_calibration,
    way_of,
    write_calibration,
)
from loupe.bench.calibration.run import evaluate_calibrated
from loupe.bench.calibration.table import level_rows, range_rows, verdict_line
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError, LoupeError, MissingFileError
from loupe.core.policy import Conversation, Reply
from loupe.core.protocol import load_protocol
from loupe.core.records import Sample
from loupe.zoom.scripted import ScriptedPolicy

WAY = Way("ab" * 32, "zoom-brief", "0123456789ab", "decided", samples=4, draw_temperature=1.0)
RECORD = Calibration(0.1, 0.5, "absolute", 0.1, "reference", 40, 20, 1, {"0.1": 0.5, "0.05": float("inf")}, WAY, {})


def sample(split: str, number: int) -> Sample:
    """Labels go round through the scale; two images a reference."""
    rating = 1.0 + 4.0 * (number * 7 % 40) / 39
    name = f"{split}{number:03d}"
    return Sample(name, f"images/{name}.png", "tiny", split, rating, rating, ref_id=f"{split}-{number // 2}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with splits cal and test of 40 images each."""
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split in ("cal", "test"):
        rows = [sample(split, number) for number in range(40)]
        for row in rows:
            Image.fromarray(rng.integers(0, 255, (56, 56, 3), dtype=np.uint8)).save(data / row.image)
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))
    return data


def off(conversation: Conversation) -> Reply:
    """Off by up to half a point, by the number of the image, in either direction."""
    name, _, attempt = conversation.key.partition("#")
    number = int(name[-3:])
    error = (0.1 + 0.4 * (number % 10) / 9) * (-1) ** (number // 10) + 0.02 * int(attempt)
    rating = sample("x", number).rating + error
    return Reply(render(answer_of("I see.", rating=round(min(5.0, max(1.0, rating)), 2), tool="final")))


def settings(data: Path, **changes: object) -> CalibrateConfig:
    plain = {"data": str(data), "out": str(data.parent / "eval"), "n_boot": 20, "trails": 0, "calibrate": "cal"}
    return CalibrateConfig(**{**plain, "looks": ["decided"], **changes})  # type: ignore[arg-type]


def test_a_run_leaves_a_calibration_its_coverage_and_a_picture(folder: Path) -> None:
    config = settings(folder)
    seen: list[tuple[int, int]] = []
    evaluate_calibrated(config, policy=ScriptedPolicy(off), progress=lambda done, total: seen.append((done, total)))
    out = Path(config.out)
    made = read_calibration(out / "calibration.json")
    # 40 errors of 20 references: the greatest are .5, and 90 % of 21 references are reached among them.
    assert (made.n, made.references, made.unusable) == (40, 20, 0)
    assert made.quantile == pytest.approx(0.5, abs=0.05)
    assert made.way.look == "decided"
    assert list(made.data) == [str(folder / "cal.jsonl")]
    found = json.loads((out / "coverage.json").read_text())
    assert (found["n"], found["references"]) == (40, 20)
    assert found["chosen"]["coverage"][0] >= 0.9
    # Without samples nothing can be scaled: three ways to count, at six levels.
    assert len(found["levels"]) == 3 * 6
    assert (out / "reliability.png").read_bytes()[:4] == b"\x89PNG"
    assert seen[-1] == (80, 80)
    assert verdict_line(found).startswith("intervals that shall hold 90 % hold ")
    assert len(level_rows(found)) == 3
    assert sum(int(row[1]) for row in range_rows(found)) == 40


def test_a_run_is_resumed_and_another_alpha_needs_no_agent(folder: Path) -> None:
    evaluate_calibrated(settings(folder), policy=ScriptedPolicy(off))
    silent = ScriptedPolicy(lambda conversation: pytest.fail("asked again"))
    evaluate_calibrated(settings(folder, alpha=0.5, resume=True), policy=silent)
    made = read_calibration(Path(settings(folder).out) / "calibration.json")
    assert (made.alpha, made.levels["0.5"]) == (0.5, made.quantile)


def test_scaled_intervals_are_calibrated_on_the_spread_of_samples(folder: Path) -> None:
    config = settings(folder, samples=3, nonconformity="scaled", floor=0.5)
    evaluate_calibrated(config, policy=Agents(ScriptedPolicy(off), ScriptedPolicy(off)))
    made = read_calibration(Path(config.out) / "calibration.json")
    assert (made.nonconformity, made.floor, made.way.samples, made.way.draw_temperature) == ("scaled", 0.5, 3, 1.0)
    # Attempts are .02 apart, so every spread is .02 and a width of one nonconformity .52.
    low, high = made.interval(3.0, 0.02)
    assert high - low == pytest.approx(2 * 0.52 * made.quantile)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"calibrate": "nope"}, MissingFileError, r"nope\.jsonl"),
        ({"calibrate": "test"}, ConfigError, "the split that is judged"),
        ({"alpha": 0.0}, ConfigError, "alpha"),
        ({"alpha": 0.02}, DataError, "20 references; alpha 0.02 takes at least 49"),
        ({"by": "split"}, ConfigError, "wanted one of reference, image, one"),
        ({"nonconformity": "scaled"}, ConfigError, "samples=1"),
        ({"looks": ["random"]}, ConfigError, "wanted decided or never"),
        ({"protocol": "degradation"}, ConfigError, "asks for no rating"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_any_work(
    folder: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    policy = ScriptedPolicy(off)
    with pytest.raises(error, match=words):
        evaluate_calibrated(settings(folder, **changes), policy=policy)
    assert policy.calls == 0


def test_references_of_the_judged_split_are_refused(folder: Path) -> None:
    path = folder / "cal.jsonl"
    path.write_text(path.read_text().replace('"ref_id": "cal-3"', '"ref_id": "test-3"'))
    with pytest.raises(DataError, match="1 references are in cal and in test"):
        evaluate_calibrated(settings(folder), policy=ScriptedPolicy(off))


def test_a_copy_of_the_judged_images_is_found_under_other_names(folder: Path) -> None:
    other = folder.parent / "copy"
    (other / "images").mkdir(parents=True)
    rows = [sample("new", number) for number in range(40)]
    for number, row in enumerate(rows):
        source = "test" if number == 7 else "cal"
        (other / row.image).write_bytes((folder / sample(source, number).image).read_bytes())
    (other / "val.jsonl").write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))
    policy = ScriptedPolicy(off)
    with pytest.raises(DataError, match=r"1 images are in val and in test \('new007'\)"):
        evaluate_calibrated(settings(folder, calibrate=f"{other}/val"), policy=policy)
    assert policy.calls == 0


def test_a_folder_of_its_own_is_named_with_its_split(folder: Path) -> None:
    other = folder.parent / "other"
    folder.rename(other)
    (folder / "images").mkdir(parents=True)
    for name in ("test.jsonl", *(f"images/test{number:03d}.png" for number in range(40))):
        (other / name).rename(folder / name)
    with pytest.raises(ConfigError, match="name the split too"):
        evaluate_calibrated(settings(folder, calibrate=str(other)), policy=ScriptedPolicy(off))
    evaluate_calibrated(settings(folder, calibrate=f"{other}/cal"), policy=ScriptedPolicy(off))
    assert read_calibration(Path(settings(folder).out) / "calibration.json").n == 40


def test_a_calibration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_calibration(tmp_path / "c.json", RECORD)
    assert read_calibration(tmp_path / "c.json") == RECORD
    assert RECORD.interval(4.8, None) == (pytest.approx(4.3), 5.0)


@pytest.mark.parametrize("text", ["{}", '{"alpha": 0.1}', "[]", "nope", '{"quantile": "x"}'])
def test_a_file_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(LoupeError, match=r"c\.json"):
        read_calibration(tmp_path / "c.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": float("nan")},
        {"alpha": 5.0},
        {"alpha": 0.05},
        {"alpha": 0.2},
        {"quantile": 0.01},
        {"quantile": float("nan")},
        {"floor": float("nan")},
        {"floor": 0.0},
        {"by": "chance"},
    ],
)
def test_a_calibration_that_was_changed_by_hand_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    write_calibration(tmp_path / "c.json", RECORD)
    row = json.loads((tmp_path / "c.json").read_text())
    (tmp_path / "c.json").write_text(json.dumps({**row, **changes}))
    with pytest.raises(DataError, match="is no calibration"):
        read_calibration(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", "cd" * 32),
        ("fingerprint", "ba9876543210"),
        ("look", "never"),
        ("samples", 1),
        ("temperature", 0.5),
        ("draw_temperature", 0.7),
        ("opening", "{"),
    ],
)
def test_whoever_judges_in_another_way_is_refused(name: str, value: object) -> None:
    check_way(RECORD, WAY, file="c.json")
    with pytest.raises(ConfigError, match=rf"c\.json is of another way to judge: {name} was"):
        check_way(RECORD, replace(WAY, **{name: value}), file="c.json")


def test_what_has_no_bearing_on_a_rating_does_not_tell_two_ways_apart() -> None:
    protocol = load_protocol("zoom-brief")
    one = way_of(protocol, weights="", look="decided", samples=1, draw_temperature=0.3)
    assert one == way_of(protocol, weights="", look="decided", samples=1, draw_temperature=0.9)
    fast = way_of(protocol, weights="", look="fast", samples=4)
    assert fast == way_of(protocol, weights="", look="fast", samples=1)
    assert fast.opening == protocol.fast_opening


def test_a_picture_gets_an_interval_and_one_without_a_rating_gets_none(folder: Path) -> None:
    evaluate_calibrated(settings(folder), policy=ScriptedPolicy(off))
    file = str(Path(settings(folder).out) / "calibration.json")
    quantile = read_calibration(file).quantile
    words = iter(["hm", render(answer_of("I see.", rating=3.0, tool="final"))])
    policy = ScriptedPolicy(lambda conversation: next(words))
    paths = [folder / "images" / f"test{number:03d}.png" for number in range(2)]
    config = AssessConfig(samples=1, calibration=file, batch_size=1)
    silent, rated = assess(paths, config, agents=Agents(policy, policy))
    assert (silent.interval, silent.holds) == (None, None)
    assert rated.interval == (pytest.approx(3.0 - quantile), pytest.approx(3.0 + quantile))
    assert rated.holds == pytest.approx(0.9)
    with pytest.raises(ConfigError, match="samples was 1, is 4"):
        next(assess(paths, replace(config, samples=4), agents=Agents(policy, policy)))
    with pytest.raises(ConfigError, match="look was 'decided', is 'never'"):
        next(assess(paths, replace(config, zoom=False), agents=Agents(policy, policy)))


def ratings(rng: np.random.Generator, references: int) -> list[Rating]:
    """Four images a reference; errors have the size of the spread, which is mostly the reference's."""
    made: list[Rating] = []
    for number in range(references):
        size = float(rng.lognormal(-1.5, 0.6))
        for _ in range(4):
            label = float(rng.uniform(1.5, 4.5))
            made.append(Rating(label, min(5.0, max(1.0, label + rng.normal(0, size))), size, f"r{number}"))
    return made


def test_measured_coverage_follows_every_level_and_scaled_intervals_are_narrower_where_spread_tells() -> None:
    rng = np.random.default_rng(5)
    rows = measure(ratings(rng, 400), ratings(rng, 400), alphas=(0.5, 0.2, 0.1), floor=0.02, n_boot=0)
    assert len(rows) == 2 * 3 * 3
    # Both sets have some .02 of chance in them at these sizes.
    assert all(abs(row.coverage.value - (1 - row.alpha)) < 0.06 for row in rows)
    widths = {row.nonconformity: row.width for row in rows if row.alpha == 0.1 and row.by == "reference"}
    assert widths["scaled"] < 0.9 * widths["absolute"]


def test_too_few_references_give_the_whole_scale() -> None:
    few = ratings(np.random.default_rng(0), 3)
    found = quantiles(few, [0.1], nonconformity="absolute", floor=0.1, by="reference")[0.1]
    hits, widths = holds(few, found, nonconformity="absolute", floor=0.1)
    assert (hits.min(), widths.min(), widths.max()) == (1.0, 4.0, 4.0)


def test_every_image_is_in_one_range_the_best_one_too() -> None:
    images = [Rating(label, 3.0, None, f"r{label}") for label in (1.0, 2.0, 2.99, 4.0, 5.0)]
    hits, widths = holds(images, 1.0, nonconformity="absolute", floor=0.1)
    parts = by_range(images, hits, widths, key="label", n_boot=0)
    assert [part.n for part in parts] == [1, 2, 0, 2]
    assert [part.coverage.value for part in parts if part.n] == [0.0, 1.0, 0.5]
